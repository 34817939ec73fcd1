"""Keys of fastnetmon.conf that name nothing of phage, and why.

Names are those of FastNetMon Community 1.2 (its fastnetmon.conf and networks_list). A switch is
told where it is on; what belongs to it by its beginning is part of it.
"""

from __future__ import annotations

SWITCHES: dict[str, tuple[tuple[str, ...], str]] = {
    "logging_local_syslog_logging": ((), "phage writes to the journal, which syslog may read"),
    "logging_remote_syslog_logging": (
        ("logging_remote_syslog_",),
        "add a syslog channel with this server under `notify`",
    ),
    "enable_ban_ipv6": ((), "thresholds and rules hold for IPv6 as well"),
    "dump_all_traffic": ((), "flows are stored; `phage flows list` shows them"),
    "dump_other_traffic": ((), "flows are stored; `phage flows list` shows them"),
    "enable_connection_tracking": ((), "flows are always followed"),
    "collect_attack_pcap_dumps": ((), "packets of findings are kept as captures anyway"),
    "redis_enabled": (("redis_",), "attacks are kept in phage's own database"),
    "mongodb_enabled": (("mongodb_",), "attacks are kept in phage's own database"),
    "graphite": (("graphite_",), "phage writes InfluxDB's line protocol, and /metrics"),
    "kafka_traffic_export": (
        ("kafka_",),
        "set outputs.eve with types: [netflow], and let a log shipper send it",
    ),
    "prometheus": (("prometheus_",), "/metrics of the API tells more; see `api.listen`"),
    "enable_api": ((), "the REST API tells the same; see `api.listen`"),
    "monitor_local_ip_addresses": ((), "add addresses of this machine to `home` if they are not"),
    "monitor_openvz_vps_ip_addresses": ((), "add the guests' networks to `home`"),
    "poll_mode_xdp": ((), "phage captures by AF_PACKET"),
}
"""What is on or off: what else belongs to it by the beginning of its key, and why it is left."""

SILENT = frozenset({
    "logging_level", "logging_local_syslog_logging", "disable_usage_report", "check_period",
    "ban_details_records_count", "speed_calculation_delay", "pid_path", "cli_stats_file_path",
    "cli_stats_ipv6_file_path", "sort_parameter", "max_ips_in_list", "xdp_set_promisc",
    "zero_copy_xdp", "force_native_mode_xdp", "xdp_read_packet_length_from_ip_header",
    "microcode_xdp_path", "mirror_af_packet_fanout_mode", "netmap_sampling_ratio",
    "af_packet_read_packet_length_from_ip_header", "netmap_read_packet_length_from_ip_header",
    "sflow_read_packet_length_from_ip_header",
})  # fmt: skip
"""How FastNetMon itself works: nothing that phage would have to know."""
