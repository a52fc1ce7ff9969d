"""The CSV files of each kind of export."""

from .agent_files import agent_files
from .contents import Container, Contents, CsvFile, Kind
from .data_center import DataCenter
from .recommendations import recommendation_file
from .summary_files import summary_files


def csv_files(data_center: DataCenter, contents: Contents) -> list[CsvFile]:
    """The CSV files of the export in the order of the user guide; none for an unknown agent or without data."""
    if contents.container is Container.NONE or not contents.covered():
        return []
    match contents.kind:
        case Kind.SUMMARY:
            return summary_files(data_center, contents)
        case Kind.EC2_RECOMMENDATIONS:
            return [recommendation_file(data_center, contents)]
        case Kind.AGENT:
            server = data_center.server_of(contents.agent_id or "")
            return agent_files(data_center, server, contents) if server else []


def main_file(data_center: DataCenter, contents: Contents) -> CsvFile | None:
    """The only file of an export without a zip: the one that has the padding rows."""
    files = csv_files(data_center, contents)
    suffixes = {Kind.SUMMARY: "_Tags.csv", Kind.AGENT: "_process.csv", Kind.EC2_RECOMMENDATIONS: ".csv"}
    return next((file for file in files if file.name.endswith(suffixes[contents.kind])), None)
