-- Vulnerabilities as each source describes them, the products that they name, and lists about them.
-- `configurations` is JSON: what is affected. `digest` tells whether a record changed since it was imported.

CREATE TABLE cves (
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    modified TEXT NOT NULL,
    published TEXT NOT NULL,
    description TEXT NOT NULL,
    cvss DOUBLE PRECISION,
    cvss_version TEXT NOT NULL,
    cvss_vector TEXT NOT NULL,
    weaknesses TEXT NOT NULL,
    exploitation TEXT NOT NULL,
    rejected BIGINT NOT NULL,
    configurations TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (id, source)
);

CREATE TABLE cve_products (
    vendor TEXT NOT NULL,
    product TEXT NOT NULL,
    cve TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (vendor, product, cve, source)
);

CREATE INDEX cve_products_by_cve ON cve_products (cve, source);
CREATE INDEX cve_products_by_product ON cve_products (product, vendor);

CREATE TABLE cve_exploited (
    cve TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    added TEXT NOT NULL,
    due TEXT NOT NULL,
    action TEXT NOT NULL,
    ransomware BIGINT NOT NULL
);

CREATE TABLE cve_likelihoods (
    cve TEXT PRIMARY KEY,
    score DOUBLE PRECISION NOT NULL,
    percentile DOUBLE PRECISION NOT NULL
);

-- How far each file or address was imported, and of which day a list is.
CREATE TABLE cve_imports (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    done BIGINT NOT NULL,
    released TEXT NOT NULL,
    at BIGINT NOT NULL
);
