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
        row_number() OVER (
            PARTITION BY agentid
            ORDER BY
                least(coalesce(requestedendtime, exportrequesttime), exportrequesttime) DESC,
                exportrequesttime DESC, exportid DESC
        ) AS age
    FROM agent_os_info JOIN exports ON exportid = export_id
),
servers AS (
    SELECT server.id, server.agentid, ranked.exportid
    FROM summary_server server
    LEFT JOIN ranked ON ranked.agentid = server.agentid AND ranked.age = 1
    WHERE server.export_id IN (SELECT exportid FROM newest)
),
-- Each address in one spelling: without the zone of IPv6, with all groups of '::', and IPv4 if it is mapped to IPv6.
found_addresses AS (
    SELECT serverid AS id, split_part(lower(trim(ipaddress)), '%', 1) AS address
    FROM summary_network_interface
    WHERE export_id IN (SELECT exportid FROM newest)
    UNION ALL
    SELECT servers.id, split_part(lower(trim(interface.ipaddress)), '%', 1) AS address
    FROM agent_network_interface interface
    JOIN servers ON servers.agentid = interface.agentid AND servers.exportid = interface.export_id
),
addresses AS (
    SELECT address, min(id) AS id
    FROM (
        SELECT
            id,
            CASE
                WHEN address LIKE '%:ffff:%.%' THEN split_part(address, ':ffff:', 2)
                WHEN address LIKE '_%::%' THEN replace(
                    address, '::',
                    substr(':0:0:0:0:0:0:', 1, 17 - 2 * (length(address) - length(replace(address, ':', ''))))
                )
                ELSE address
            END AS address
        FROM found_addresses
    ) normal
    WHERE address NOT LIKE '127.%' AND address NOT IN ('::1', '0:0:0:0:0:0:0:1')
    GROUP BY address
    HAVING min(id) = max(id)
),
connections AS (
    SELECT
        servers.id, split_part(lower(trim(connection.destinationip)), '%', 1) AS address,
        connection.destinationport AS port, connection.transportprotocol AS protocol
    FROM agent_source_process_connection connection
    JOIN servers ON servers.agentid = connection.agentid AND servers.exportid = connection.export_id
),
edges AS (
    SELECT
        connections.id AS client, addresses.id AS server, port, min(protocol) AS protocol, count(*) AS connections
    FROM connections
    JOIN addresses
      ON addresses.address = CASE
          WHEN connections.address LIKE '%:ffff:%.%' THEN split_part(connections.address, ':ffff:', 2)
          WHEN connections.address LIKE '_%::%' THEN replace(
              connections.address, '::',
              substr(
                  ':0:0:0:0:0:0:', 1,
                  17 - 2 * (length(connections.address) - length(replace(connections.address, ':', '')))
              )
          )
          ELSE connections.address
      END
    WHERE addresses.id <> connections.id
    GROUP BY connections.id, addresses.id, port
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
