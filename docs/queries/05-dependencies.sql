-- Which servers connect to which other servers, on which port, and how often? Servers without an agent are left out.
WITH newest AS (
    SELECT
        agentid,
        max_by(export_id, exportrequesttime) AS export_id,
        max_by(CASE WHEN hostname <> '' THEN hostname ELSE agentid END, exportrequesttime) AS host
    FROM agent_os_info JOIN exports ON exportid = export_id
    GROUP BY agentid
),
addresses AS (
    SELECT DISTINCT agentid, host, ipaddress
    FROM agent_network_interface JOIN newest USING (agentid, export_id)
    WHERE ipaddress NOT IN ('127.0.0.1', '::1')
)
SELECT
    newest.host AS client,
    addresses.host AS server,
    connection.destinationport,
    count(*) AS connections,
    newest.agentid AS client_agentid,
    addresses.agentid AS server_agentid
FROM agent_source_process_connection connection
JOIN newest ON newest.agentid = connection.agentid AND newest.export_id = connection.export_id
JOIN addresses ON addresses.ipaddress = connection.destinationip
WHERE addresses.agentid <> newest.agentid
GROUP BY newest.host, addresses.host, connection.destinationport, newest.agentid, addresses.agentid
ORDER BY client, server, connection.destinationport, client_agentid, server_agentid
