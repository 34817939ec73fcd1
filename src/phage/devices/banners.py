"""What banners tell: of the device behind a service, and of the program as a CPE 2.3 name."""

from __future__ import annotations

from phage.devices.hints import Hint

BANNERS = (
    Hint(r"Hikvision|DNVRS-Webs|App-webs", 0.9, vendor="Hikvision", category="camera"),
    Hint(r"Dahua|DH_", 0.85, vendor="Dahua", category="camera"),
    Hint(r"AXIS .*(?:Camera|Encoder)", 0.95, vendor="Axis", category="camera"),
    Hint(r"uc-httpd|Netwave IP Camera|IP ?Camera|IPCamera|alphapd", 0.8, category="camera"),
    Hint(r"D-?Link.*(DCS-\w+)", 0.95, vendor="D-Link", product=r"\1", category="camera"),
    Hint(r"(DIR-\d+\w*)", 0.9, vendor="D-Link", product=r"\1", category="router"),
    Hint(r"RouterOS|MikroTik", 0.95, vendor="MikroTik", category="router", system="RouterOS"),
    Hint(r"Cisco IOS|Cisco Internetwork", 0.95, vendor="Cisco", category="router", system="IOS"),
    Hint(r"FRITZ!Box", 0.95, vendor="AVM", product="FRITZ!Box", category="router"),
    Hint(r"DD-WRT|OpenWrt|LuCI|Zyxel|NETGEAR|TP-LINK (?:Router|Wireless)|RomPager", 0.7,
         category="router"),
    Hint(r"JetDirect|HP HTTP Server|LaserJet|OfficeJet|HP-ChaiSOE", 0.9, vendor="HP",
         category="printer"),
    Hint(r"EPSON|Epson", 0.9, vendor="Epson", category="printer"),
    Hint(r"KM-MFP|KYOCERA", 0.9, vendor="Kyocera", category="printer"),
    Hint(r"Brother|debut/", 0.85, vendor="Brother", category="printer"),
    Hint(r"Canon HTTP Server|CANON", 0.85, vendor="Canon", category="printer"),
    Hint(r"Lexmark|RICOH|Xerox|CUPS/", 0.8, category="printer"),
    Hint(r"Synology|DiskStation", 0.9, vendor="Synology", category="nas"),
    Hint(r"QNAP|QTS", 0.9, vendor="QNAP", category="nas"),
    Hint(r"Roku", 0.9, vendor="Roku", category="tv"),
    Hint(r"Sonos", 0.9, vendor="Sonos", category="speaker"),
    Hint(r"Microsoft-IIS|Microsoft-HTTPAPI|Windows", 0.8, category="computer", system="Windows"),
    Hint(r"Ubuntu", 0.8, system="Ubuntu Linux"),
    Hint(r"Debian|\+deb\d+", 0.8, system="Debian Linux"),
    Hint(r"Raspbian", 0.9, vendor="Raspberry Pi", category="computer", system="Raspberry Pi OS"),
    Hint(r"FreeBSD", 0.85, system="FreeBSD"),
    Hint(r"CentOS|Red Hat|RHEL", 0.85, category="server", system="Red Hat Linux"),
    Hint(r"OpenBSD", 0.3, system="OpenBSD"),
    Hint(r"Darwin|Apple", 0.7, vendor="Apple", system="macOS"),
    Hint(r"VMware|ESXi", 0.85, vendor="VMware", category="server", system="ESXi"),
    Hint(r"dropbear|BusyBox|lighttpd|Boa/|GoAhead|mini_httpd|thttpd", 0.5, system="Linux"),
    Hint(r"Linux", 0.6, system="Linux"),
)  # fmt: skip


def _cpe(vendor: str, product: str) -> str:
    return rf"cpe:2.3:a:{vendor}:{product}:\1:*:*:*:*:*:*:*"


SOFTWARE = (
    Hint(r"OpenSSH_(\d[\d.]*(?:p\d+)?)", 0.95, software=_cpe("openbsd", "openssh")),
    Hint(r"dropbear_(\d[\d.]*)", 0.95, software=_cpe("dropbear_ssh_project", "dropbear_ssh")),
    Hint(r"libssh[-_](\d[\d.]*)", 0.95, software=_cpe("libssh", "libssh")),
    Hint(r"\bApache/(\d[\d.]*)", 0.95, software=_cpe("apache", "http_server")),
    Hint(r"\bnginx/(\d[\d.]*)", 0.95, software=_cpe("f5", "nginx")),
    Hint(r"\blighttpd/(\d[\d.]*)", 0.95, software=_cpe("lighttpd", "lighttpd")),
    Hint(r"\bMicrosoft-IIS/(\d[\d.]*)", 0.95,
         software=_cpe("microsoft", "internet_information_services")),
    Hint(r"\bmini_httpd/(\d[\d.]*)", 0.95, software=_cpe("acme", "mini_httpd")),
    Hint(r"\bthttpd/(\d[\d.]*)", 0.95, software=_cpe("acme", "thttpd")),
    Hint(r"\bBoa/(\d[\d.]*)", 0.95, software=_cpe("boa", "boa")),
    Hint(r"\bGoAhead(?:-Webs)?/(\d[\d.]*)", 0.95, software=_cpe("embedthis", "goahead")),
    Hint(r"\bAppweb/(\d[\d.]*)", 0.95, software=_cpe("embedthis", "appweb")),
    Hint(r"\bRomPager/(\d[\d.]*)", 0.95, software=_cpe("allegrosoft", "rompager")),
    Hint(r"\bMiniUPnPd/(\d[\d.]*)", 0.95, software=_cpe("miniupnp_project", "miniupnpd")),
    Hint(r"\bPortable SDK for UPnP devices/(\d[\d.]*)", 0.95,
         software=_cpe("libupnp_project", "libupnp")),
    Hint(r"\bdnsmasq-(\d[\d.]*)", 0.95, software=_cpe("thekelleys", "dnsmasq")),
    Hint(r"\bvsFTPd (\d[\d.]*)", 0.95, software=_cpe("vsftpd_project", "vsftpd")),
    Hint(r"\bProFTPD (\d[\w.]*)", 0.95, software=_cpe("proftpd", "proftpd")),
    Hint(r"\bPure-FTPd (\d[\d.]*)", 0.9, software=_cpe("pureftpd", "pure-ftpd")),
    Hint(r"\bSquid/(\d[\w.]*)", 0.95, software=_cpe("squid-cache", "squid")),
    Hint(r"\bsquid/(\d[\w.]*)", 0.95, software=_cpe("squid-cache", "squid")),
    Hint(r"\bJetty\((\d[\w.]*)\)", 0.9, software=_cpe("eclipse", "jetty")),
    Hint(r"\bPHP/(\d[\d.]*)", 0.9, software=_cpe("php", "php")),
    Hint(r"\bOpenSSL/(\d[\w.]*)", 0.9, software=_cpe("openssl", "openssl")),
    Hint(r"\bSamba (\d[\d.]*)", 0.95, software=_cpe("samba", "samba")),
    Hint(r"\bExim (\d[\d.]*)", 0.95, software=_cpe("exim", "exim")),
    Hint(r"\bBusyBox v(\d[\d.]*)", 0.9, software=_cpe("busybox", "busybox")),
    Hint(r"\bCUPS/(\d[\d.]*)", 0.9, software=_cpe("apple", "cups")),
    Hint(r"\bnet-snmp/(\d[\d.]*)", 0.9, software=_cpe("net-snmp", "net-snmp")),
    Hint(r"\bMySQL (\d[\d.]*)", 0.9, software=_cpe("oracle", "mysql")),
    Hint(r"\bmosquitto version (\d[\d.]*)", 0.95, software=_cpe("eclipse", "mosquitto")),
)  # fmt: skip
