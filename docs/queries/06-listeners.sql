-- Which processes accept connections on port 5432, and from how many clients?
-- istruncated: the export is truncated, so there can be more.
WITH of_agents AS (
    SELECT
        agentid, export_id, istruncated,
        row_number() OVER (
            PARTITION BY agentid
            ORDER BY
                least(coalesce(requestedendtime, exportrequesttime), exportrequesttime) DESC,
                exportrequesttime DESC, export_id DESC
        ) AS age
    FROM agent_os_info JOIN exports ON exportid = export_id
),
newest AS (
    SELECT agentid, export_id, istruncated FROM of_agents WHERE age = 1
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
