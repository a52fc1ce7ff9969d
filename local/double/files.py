"""Which CSV files an export holds."""

from local.double.agent_files import agent_files
from local.double.contents import Container, Contents, CsvFile, Kind
from local.double.recommendations import recommendation_file
from local.double.summary_files import summary_files
from local.fleet import Fleet


def csv_files(fleet: Fleet, contents: Contents) -> list[CsvFile]:
    """The CSV files of the export in the order of the user guide; none for an agent that the fleet does not have."""
    if contents.container is Container.NONE:
        return []
    match contents.kind:
        case Kind.SUMMARY:
            return summary_files(fleet, contents)
        case Kind.EC2_RECOMMENDATIONS:
            return [recommendation_file(fleet, contents)]
        case Kind.AGENT:
            server = fleet.server_of(contents.agent_id or "")
            return agent_files(fleet, server, contents) if server else []


def main_file(fleet: Fleet, contents: Contents) -> CsvFile | None:
    """The file that is handed over alone where there is no zip: the one that padding lengthens."""
    files = csv_files(fleet, contents)
    longest = {Kind.SUMMARY: "_Tags.csv", Kind.AGENT: "_process.csv", Kind.EC2_RECOMMENDATIONS: ".csv"}
    return next((file for file in files if file.name.endswith(longest[contents.kind])), None)
