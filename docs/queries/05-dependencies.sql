-- Which servers call which others, on which port, how often? What they call that has no agent is left out.
WITH newest AS (
    SELECT agentid, max_by(export_id, exportrequesttime) AS export_id
    FROM agent_os_info JOIN exports ON exportid = export_id
    GROUP BY agentid
),
addresses AS (
    SELECT DISTINCT agentid, ipaddress
    FROM agent_network_interface JOIN newest USING (agentid, export_id)
    WHERE ipaddress NOT IN ('127.0.0.1', '::1')
)
SELECT connection.agentid AS client, addresses.agentid AS server, connection.destinationport, count(*) AS connections
FROM agent_source_process_connection connection
JOIN newest ON newest.agentid = connection.agentid AND newest.export_id = connection.export_id
JOIN addresses ON addresses.ipaddress = connection.destinationip
WHERE addresses.agentid <> connection.agentid
GROUP BY connection.agentid, addresses.agentid, connection.destinationport
ORDER BY client, server, connection.destinationport
