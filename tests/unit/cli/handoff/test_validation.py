"""Files of each form that were written by hand from its documentation, and what is wrong with changed ones."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from discovery_exports.cli.handoff import validation
from discovery_exports.cli.handoff.choices import Variant
from discovery_exports.cli.handoff.validation import Invalid

MPA_SERVERS = (
    "Server ID,Hostname,Physical/Virtual,OS Name,OS Version,CPU-Number of Processors,CPU-Cores per Processor,"
    "CPU-Number of Threads per CPU-Core,CPU-Peak Utilization,CPU-Average Utilization,RAM-Total Size,"
    "RAM-Peak Utilization,RAM-Average Utilization,Storage-Total Disk Size,Storage-Utilization,Environment Type,"
    "Hypervisor,Datacenter ID\r\n"
    "d-server-1,web-1,Virtual,Linux,Ubuntu 22.04 LTS,2,4,2,48.44,1.22,2048,17.4,17.4,30,9,Production,VMware,dc-1\r\n"
    'd-server-2,"db ""main"", rack 2\n(old name)",,Windows,,,,,100,0,,,,,,,,\r\n'
)
MPA_CONNECTIONS = (
    "Source Server ID,Source Server IP Address,Target Server ID,Target Server IP Address,Source Process Name,"
    "Target Process Name\r\n"
    "d-server-1,10.0.0.1,d-server-2,10.0.0.2,java,postgres\r\n"
    "d-server-2,fd00::2,d-server-1,fd00::1,,\r\n"
)
TOOL_SERVERS = (
    "Serverid,isPhysical,hypervisor,HOSTNAME,osName,osVersion,numCpus,numCoresPerCpu,numThreadsPerCore,"
    "maxCpuUsagePctDec (%),avgCpuUsagePctDec (%),totalRAM (GB),maxRamUsagePctDec (%),avgRamUtlPctDec (%),Uptime,"
    "Environment Type,Storage-Total Disk Size (GB),Storage-Utilization %,Storage-Max Read IO Size (KB),"
    "Storage-Max Write IO Size (KB),Storage-Max Read IOPS,Storage-Max Write IOPS\r\n"
    "d-server-1,,VMware,web-1,Linux,Ubuntu,2,4,2,48.44,1.22,2,17.4,17.4,,Production,30,9,,,120,60.5\r\n"
    "d-server-2,,,db-1,Windows,,,,,,,,,,,,,,,,,\r\n"
)
TOOL_CONNECTIONS = (
    "Source Server ID,Source Server IP Address,Source Port,Target Server ID,Target Server IP Address,Target Port,"
    "Source Process ID,Target Process ID,State,Transport Protocol,IP Version,Count\r\n"
    "d-server-1,10.0.0.1,,d-server-2,10.0.0.2,5432,,,,TCP,IPv4,17\r\n"
)
MGN = (
    "mgn:account-id,mgn:region,mgn:wave:name,mgn:app:name,mgn:server:user-provided-id,mgn:server:platform,"
    "mgn:server:fqdn-for-action-framework,mgn:launch:instance-type,mgn:launch:placement:tenancy,"
    "mgn:launch:nic:0:private-ip:0,mgn:server:tag:owner\r\n"
    "123456789012,eu-central-1,1,Shop,d-server-1,Linux,web-1.example.com,m5.large,default,10.0.0.1,Ann\r\n"
    ",,,,d-server-2,Windows,,,,10.0.0.2,\r\n"
    ",,,,d-server-3,,db-1,,,,\r\n"
)
GRAPH = (
    "Source Server ID,Source Name,Target Server ID,Target Name,Target Port,Protocol,Source Process,Target Process,"
    "First Seen,Last Seen,Count\r\n"
    "d-server-1,web-1,d-server-2,db-1,5432,TCP,java,postgres,2026-01-12T00:00:00Z,2026-01-15T00:00:00Z,17\r\n"
)
DOT = """digraph connections {
  rankdir=LR;
  subgraph cluster_1 {
    label="Shop"; labeljust=l;
    s1 [label="web \\"1\\""];
  }
  s2 [label="db\\n5432 postgres", color="#0b6e99"];
  s3 [label="old"];
  s1 -> s2 [color="#0b6e99"];
  s3 -> s2 [color="#b5540c", xlabel="22 sshd", fontcolor="#b5540c"];
}
"""
MERMAID = """flowchart LR
  subgraph g1["Shop"]
    s1["web #34;1#34;"]
  end
  s2["db<br/>5432 postgres"]
  s3["old"]
  s1 --> s2
  s3 -->|"22 sshd"| s2
  linkStyle 0 stroke:#0b6e99,color:#0b6e99
  classDef c1 stroke:#0b6e99
  class s2 c1
  linkStyle 1 stroke:#b5540c,color:#b5540c
"""
IDS = {"d-server-1", "d-server-2"}


def zipped(*members: tuple[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, body in members:
            archive.writestr(name, body)
    return whole.getvalue()


def mpa(servers: str = MPA_SERVERS, connections: str = MPA_CONNECTIONS) -> bytes:
    return zipped(("mpa_servers.csv", servers.encode()), ("network_connections.csv", connections.encode()))


def tool(servers: str = TOOL_SERVERS, connections: str = TOOL_CONNECTIONS) -> bytes:
    return zipped(("mpa_servers.csv", servers.encode()), ("network_connections.csv", connections.encode()))


CHECKS: dict[str, Callable[[Path], validation.Checked]] = {
    "mpa": lambda path: validation.check_transform(path, Variant.MPA),
    "discovery-tool": lambda path: validation.check_transform(path, Variant.DISCOVERY_TOOL),
    "mgn": lambda path: validation.check_mgn(path, ["owner"]),
    "graph": lambda path: validation.check_graph(path, IDS),
    "dot": validation.check_dot,
    "mermaid": validation.check_mermaid,
}


def check(form: str, body: bytes, tmp_path: Path) -> validation.Checked:
    path = tmp_path / "file"
    path.write_bytes(body)
    return CHECKS[form](path)


@pytest.mark.parametrize(
    ("form", "body", "rows"),
    [
        ("mpa", mpa(), {"mpa_servers.csv": 2, "network_connections.csv": 2}),
        ("discovery-tool", tool(), {"mpa_servers.csv": 2, "network_connections.csv": 1}),
        ("mgn", MGN.encode(), {"file": 3}),
        ("graph", GRAPH.encode(), {"file": 1}),
        ("dot", DOT.encode(), {"file": 2}),
        ("mermaid", MERMAID.encode(), {"file": 2}),
    ],
)
def test_a_file_as_its_documentation_says_is_valid(form: str, body: bytes, rows: object, tmp_path: Path) -> None:
    assert check(form, body, tmp_path).rows == rows


def changed(text: str, before: str, after: str) -> str:
    assert text.count(before) >= 1
    return text.replace(before, after, 1)


@pytest.mark.parametrize(
    ("form", "body", "message"),
    [
        ("mpa", zipped(("mpa_servers.csv", MPA_SERVERS.encode())), "the zip file has"),
        ("mpa", zipped(("x/mpa_servers.csv", b""), ("network_connections.csv", b"")), "the zip file has"),
        ("mpa", tool(), "the header is"),
        ("mpa", mpa("\ufeff" + MPA_SERVERS), "byte order mark"),
        ("mpa", mpa(changed(MPA_SERVERS, "Hostname", "Host name")), "the header is"),
        ("mpa", mpa(changed(MPA_SERVERS, "d-server-2", "d-server-1")), "that of an earlier row"),
        ("mpa", mpa(changed(MPA_SERVERS, "d-server-2", "")), "Server ID is empty"),
        ("mpa", mpa(changed(MPA_SERVERS, ",100,0,", ",101,0,")), "'101' is no number from 0 to 100"),
        ("mpa", mpa(changed(MPA_SERVERS, ",2048,", ",-1,")), "'-1' is no number"),
        ("mpa", mpa(changed(MPA_SERVERS, ",48.44,", ",48.44 %,")), "'48.44 %' is no number"),
        ("mpa", mpa(changed(MPA_SERVERS, ",48.44,", ",nan,")), "'nan' is no number"),
        ("mpa", mpa(changed(MPA_SERVERS, ",dc-1", "")), "17 cells, not 18"),
        ("mpa", mpa(connections=changed(MPA_CONNECTIONS, "d-server-2", "d-server-3")), "not in the list of servers"),
        ("mpa", mpa(connections=changed(MPA_CONNECTIONS, "10.0.0.2", "10.0.0.256")), "no IP address"),
        ("mpa", mpa(connections=changed(MPA_CONNECTIONS, "d-server-2", "d-server-1")), "connected to itself"),
        ("mpa", zipped(("mpa_servers.csv", b"\xff"), ("network_connections.csv", b"")), "not UTF-8"),
        ("discovery-tool", mpa(), "the header is"),
        ("discovery-tool", tool(connections=changed(TOOL_CONNECTIONS, "5432", "65536")), "'65536' is no number"),
        ("discovery-tool", tool(connections=changed(TOOL_CONNECTIONS, ",17", ",")), "Count: '' is no number"),
        ("mgn", changed(MGN, "d-server-2", "d-server-1").encode(), "that of an earlier row"),
        ("mgn", changed(MGN, "10.0.0.2", "").encode(), "neither an address nor a name"),
        ("mgn", changed(MGN, "10.0.0.2", "fd00::2").encode(), "not one of IPv4"),
        ("mgn", changed(MGN, "Windows", "windows").encode(), "mgn:server:platform is 'windows'"),
        ("mgn", changed(MGN, "default", "Shared").encode(), "tenancy is 'Shared'"),
        ("mgn", changed(MGN, "mgn:server:tag:owner", "owner").encode(), "the header is"),
        ("graph", changed(GRAPH, "d-server-2", "d-server-9").encode(), "not in the list of servers"),
        ("graph", changed(GRAPH, "2026-01-12", "2026-01-16").encode(), "no times in order"),
        ("graph", changed(GRAPH, "java", '"java').encode(), "unexpected end of data"),
        ("dot", changed(DOT, "s1 -> s2", "s1 -> s9").encode(), "not declared before it"),
        ("dot", changed(DOT, '\\"1\\"', '"1"').encode(), "not declared before it"),
        ("dot", changed(DOT, 's3 [label="old"];', 's3 [label="old"];\n  s4 [label="x"];').encode(), "without an arrow"),
        ("mermaid", changed(MERMAID, "flowchart", "graph").encode(), "the first line"),
        ("mermaid", changed(MERMAID, '"22 sshd"', '"2|2"').encode(), "a line that is no arrow"),
        ("mermaid", changed(MERMAID, 's3["old"]', 's1["old"]').encode(), "declared twice"),
    ],
)
def test_contents_14_what_differs_from_the_form_is_named(form: str, body: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=re.escape(message)):
        check(form, body, tmp_path)


def test_a_damaged_zip_is_invalid(tmp_path: Path) -> None:
    damaged = mpa().replace(b"java,postgres", b"java,postfix!")

    with pytest.raises(Invalid, match="CRC-32"):
        check("mpa", damaged, tmp_path)
