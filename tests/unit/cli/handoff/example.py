"""The made-up fleet in the picture of ``docs/handoff.md``.

``python -m tests.unit.cli.handoff.example | dot -Tsvg > docs/handoff-graph.svg`` draws it.
"""

from collections.abc import Iterator

from discovery_exports.cli.handoff.graph import Picture, dot, picture
from discovery_exports.cli.handoff.rows import Pair

SERVERS = {
    "shop-lb": ("Web shop", "443", "haproxy"),
    "shop-web-1": ("Web shop", "443", "nginx"),
    "shop-web-2": ("Web shop", "443", "nginx"),
    "shop-app-1": ("Web shop", "8080", "java"),
    "shop-app-2": ("Web shop", "8080", "java"),
    "shop-cache": ("Web shop", "6379", "redis-server"),
    "shop-db": ("Web shop", "5432", "postgres"),
    "billing-web": ("Billing", "443", "httpd"),
    "billing-app": ("Billing", "8443", "java"),
    "billing-db": ("Billing", "1433", "sqlservr"),
    "report-app": ("Reporting", "8080", "java"),
    "report-db": ("Reporting", "1521", "oracle"),
    "dc-1": ("", "389", "lsass"),
    "backup": ("", "13720", "bprd"),
    "monitor": ("", "10051", "zabbix_server"),
}
"""Application, port and process by name."""
USES = {
    "shop-lb": ("shop-web-1", "shop-web-2"),
    "shop-web-1": ("shop-app-1", "shop-app-2", "shop-cache"),
    "shop-web-2": ("shop-app-1", "shop-app-2", "shop-cache"),
    "shop-app-1": ("shop-db", "shop-cache", "billing-app", "dc-1"),
    "shop-app-2": ("shop-db", "shop-cache", "billing-app", "dc-1"),
    "shop-db": ("backup",),
    "billing-web": ("billing-app",),
    "billing-app": ("billing-db", "dc-1"),
    "billing-db": ("backup",),
    "report-app": ("report-db", "shop-db", "billing-db"),
    "monitor": ("shop-lb", "billing-app", "report-db"),
}
SSH = ("monitor", "report-db"), ("report-app", "shop-db")
"""The connections to another port of their target."""


def pairs() -> Iterator[Pair]:
    for source, targets in USES.items():
        for target in targets:
            _, port, process = SERVERS[target]
            count = 9
            if (source, target) in SSH:
                port, process, count = "22", "sshd", 1
            yield Pair(
                source=source, source_name=source, source_address="", source_process="", target=target,
                target_name=target, target_address="", target_process=process, port=port, protocol="TCP",
                ip_version="IPv4", first_seen="", last_seen="", connections=count, rows=1,
            )  # fmt: skip


def example() -> Picture:
    return picture(pairs(), {name: application for name, (application, *_) in SERVERS.items()}, 100)


if __name__ == "__main__":
    print("\n".join(dot(example())))
