-- Which processes accept connections on port 5432, and from how many clients?
-- istruncated: the export is truncated, so there can be more.
WITH newest AS (
    SELECT
        agentid,
        max_by(export_id, exportrequesttime) AS export_id,
        max_by(istruncated, exportrequesttime) AS istruncated
    FROM agent_os_info JOIN exports ON exportid = export_id
    GROUP BY agentid
)
SELECT process.agentid, process.name, process.path, count(DISTINCT connection.sourceip) AS clients, newest.istruncated
FROM agent_destination_process_connection connection
JOIN newest ON newest.agentid = connection.agentid AND newest.export_id = connection.export_id
JOIN agent_process process
  ON process.agentid = connection.agentid
  AND process.export_id = connection.export_id
  AND process.agentassignedprocessid = connection.agentassignedprocessid
WHERE connection.destinationport = 5432
GROUP BY process.agentid, process.name, process.path, newest.istruncated
ORDER BY process.agentid, process.name
