-- Hits of rules, added up over restarts and swaps of the rule set.

CREATE TABLE rule_hits (
    rule TEXT PRIMARY KEY,
    packets BIGINT NOT NULL,
    octets BIGINT NOT NULL,
    last_hit BIGINT NOT NULL,
    since BIGINT NOT NULL
);
