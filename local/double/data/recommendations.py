"""The file of EC2 recommendations: one row for each server, 57 columns."""

from .contents import LATEST_TEXT, Contents, CsvFile, Kind, Row, by_name, in_folder
from .data_center import DataCenter, Server
from .headers import HEADERS

HEADER = HEADERS[Kind.EC2_RECOMMENDATIONS]["EC2InstanceRecommendations.csv"]


def recommendation_file(data_center: DataCenter, contents: Contents) -> CsvFile:
    """One row for each server. Cells cannot be padded, so a large export has more servers than the data center."""
    min_row_bytes = 256
    count = max(data_center.size, -(-contents.min_bytes // min_row_bytes))
    name = in_folder(contents, f"EC2InstanceRecommendations{contents.name_prefix and '_' + contents.name_prefix}.csv")
    return CsvFile(name, HEADER, lambda: (_recommendation(data_center, data_center.server(i)) for i in range(count)))


def _recommendation(data_center: DataCenter, server: Server) -> Row:
    load = server.index * 11 % 1000 / 10
    model = {1: "m5.large", 2: "m5.large", 4: "m5.xlarge", 8: "m5.2xlarge", 16: "m5.4xlarge"}[server.cores]
    return by_name(
        HEADER,
        {
            "ServerId": server.id,
            "Server.HostName": server.host_name,
            "Server.VMware.VMname": server.vm_name,
            "Recommendation.EC2.Remarks": "" if load else "Insufficient data, assumed peak",
            "Server.OS.Name": server.os_name,
            "Server.OS.Version": server.os_version,
            "Server.CPU.NumberOfProcessors": server.cpus,
            "Server.CPU.NumberOfCores": server.cores,
            "Server.CPU.NumberOfLogicalCores": server.cpus * server.cores,
            "Recommendation.EC2.RequestedvCPU": server.cores,
            "Server.RAM.TotalSizeInMB": server.ram_mb,
            "Recommendation.EC2.RequestedRAMinMB": server.ram_mb,
            "Recommendation.EC2.Instance.Model": model,
            "Recommendation.EC2.Instance.vCPUCount": max(2, server.cores),
            "Recommendation.EC2.Instance.RAM.TotalSizeinMB": 4096 * max(2, server.cores),
            "Recommendation.EC2.Instance.Price.UpfrontCost": 0.0,
            "Recommendation.EC2.Instance.Price.HourlyRate": 0.048 * max(2, server.cores),
            "Recommendation.EC2.Instance.Price.AmortizedHourlyRate": 0.048 * max(2, server.cores),
            "Recommendation.EC2.Instance.Price.EffectiveDate.UTC": LATEST_TEXT,
            "Recommendation.EC2.Instance.OSType": server.os_name,
            "UserPreference.Region": "EU (Frankfurt)",
            "UserPreference.EC2.Tenancy": "Shared",
            "UserPreference.EC2.PricingModel": "On-Demand",
            "Applications": data_center.application(server.application).name,
            "Tags": ",".join(f"{key}={value}" for key, value in server.tags),
            "Server.SMBiosId": server.smbios_id,
            "Server.CPU.UsagePct.Avg": load,
            "Server.CPU.UsagePct.Max": min(100.0, load * 1.25),
            "Server.RAM.UsedSizeInMB.Avg": server.ram_mb / 2,
            "Server.NumberOfDisks": 1 + server.index % 3,
        },
    )
