-- Which servers connect to which other servers, on which port, and how often? Servers without an agent are left out.
-- An address that several agents have identifies no server, such as that of a Docker bridge (172.17.0.1).
-- istruncated: the client's export is truncated, so it can have more connections.
WITH of_agents AS (
    SELECT
        agentid, export_id, istruncated, coalesce(hostname, agentid) AS host,
        row_number() OVER (
            PARTITION BY agentid
            ORDER BY
                least(coalesce(requestedendtime, exportrequesttime), exportrequesttime) DESC,
                exportrequesttime DESC, export_id DESC
        ) AS age
    FROM agent_os_info JOIN exports ON exportid = export_id
),
newest AS (
    SELECT agentid, export_id, istruncated, host FROM of_agents WHERE age = 1
),
addresses AS (
    SELECT ipaddress, min(agentid) AS agentid, min(host) AS host
    FROM agent_network_interface JOIN newest USING (agentid, export_id)
    WHERE ipaddress NOT IN ('127.0.0.1', '::1')
    GROUP BY ipaddress
    HAVING count(DISTINCT agentid) = 1
)
SELECT
    newest.host AS client,
    addresses.host AS server,
    connection.destinationport,
    count(*) AS connections,
    newest.agentid AS client_agentid,
    addresses.agentid AS server_agentid,
    newest.istruncated
FROM agent_source_process_connection connection
JOIN newest ON newest.agentid = connection.agentid AND newest.export_id = connection.export_id
JOIN addresses ON addresses.ipaddress = connection.destinationip
WHERE addresses.agentid <> newest.agentid
GROUP BY
    newest.host, addresses.host, connection.destinationport, newest.agentid, addresses.agentid, newest.istruncated
ORDER BY client, server, connection.destinationport, client_agentid, server_agentid
