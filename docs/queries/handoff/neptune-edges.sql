-- Connections between servers of the newest summary as edges for the bulk loader of Amazon Neptune (Gremlin): those that
-- the agents of the clients have seen. An address that several servers have identifies none.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
),
ranked AS (
    SELECT
        agentid, exportid,
        row_number() OVER (PARTITION BY agentid ORDER BY exportrequesttime DESC, exportid DESC) AS age
    FROM agent_os_info JOIN exports ON exportid = export_id
),
servers AS (
    SELECT server.id, server.agentid, ranked.exportid
    FROM summary_server server
    LEFT JOIN ranked ON ranked.agentid = server.agentid AND ranked.age = 1
    WHERE server.export_id IN (SELECT exportid FROM newest)
),
found_addresses AS (
    SELECT serverid AS id, lower(ipaddress) AS address
    FROM summary_network_interface
    WHERE export_id IN (SELECT exportid FROM newest)
    UNION ALL
    SELECT servers.id, lower(interface.ipaddress) AS address
    FROM agent_network_interface interface
    JOIN servers ON servers.agentid = interface.agentid AND servers.exportid = interface.export_id
),
addresses AS (
    SELECT address, min(id) AS id
    FROM found_addresses
    WHERE address NOT LIKE '127.%' AND address <> '::1'
    GROUP BY address
    HAVING count(DISTINCT id) = 1
),
edges AS (
    SELECT
        servers.id AS client, addresses.id AS server, connection.destinationport AS port,
        min(connection.transportprotocol) AS protocol, count(*) AS connections
    FROM agent_source_process_connection connection
    JOIN servers ON servers.agentid = connection.agentid AND servers.exportid = connection.export_id
    JOIN addresses
      ON addresses.address = CASE
          WHEN lower(connection.destinationip) LIKE '::ffff:%.%' THEN substr(connection.destinationip, 8)
          ELSE lower(connection.destinationip)
      END
    WHERE addresses.id <> servers.id
    GROUP BY servers.id, addresses.id, connection.destinationport
)
SELECT
    client || ' ' || server || ' ' || coalesce(CAST(port AS varchar), '') AS "~id",
    client AS "~from",
    server AS "~to",
    'connects' AS "~label",
    port AS "port:Int",
    protocol AS "protocol:String",
    connections AS "connections:Long"
FROM edges
ORDER BY client, server, port
