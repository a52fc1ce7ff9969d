-- Which server connects to which other server, on which port? One row for each (source, target, target_port).
-- Both ends are servers of the newest summary. The rows with left_out count what is not such a connection, with the
-- address of the other end: the ten with the most rows for each reason; all_rows and all_addresses are those of the
-- reason. connections is the greater of what the agents of both ends have seen, so that nothing is counted twice.
WITH
-- Settings: exports until this time (add AND exportid IN ('export-…') for these only); keys of tags by meaning.
usable AS (
    SELECT exportid, kind, exportrequesttime, requestedendtime, istruncated
    FROM exports
    WHERE exportrequesttime <= TIMESTAMP '9999-12-31 23:59:59'
),
tag_keys (meaning, key, place) AS (
    VALUES ('environment', 'environment', 1), ('data center', 'datacenter', 1), ('wave', 'wave', 1)
),
-- End of the settings.
summary AS (
    SELECT exportid FROM usable
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
),
listed AS (
    SELECT id, agentid, hostname, row_number() OVER (PARTITION BY id ORDER BY each.row_number) AS place
    FROM summary_server each
    WHERE export_id = (SELECT exportid FROM summary) AND id IS NOT NULL
),
-- An agent that several servers have is that of none.
servers AS (
    SELECT id, hostname, CASE WHEN count(*) OVER (PARTITION BY agentid) = 1 THEN agentid END AS agentid
    FROM listed WHERE place = 1
),
of_agents AS (
    SELECT
        agentid, exportid,
        row_number() OVER (
            PARTITION BY agentid
            ORDER BY
                least(coalesce(requestedendtime, exportrequesttime), exportrequesttime) DESC,
                exportrequesttime DESC, exportid DESC
        ) AS age
    FROM agent_os_info JOIN usable ON exportid = export_id
    WHERE agentid IS NOT NULL
),
agents AS (
    SELECT agentid, exportid FROM of_agents WHERE age = 1
),
-- Each address in one spelling: without the zone of IPv6, with all groups of '::', and IPv4 if it is mapped to IPv6.
found_addresses AS (
    SELECT server, name, split_part(lower(trim(address)), '%', 1) AS address
    FROM (
        SELECT serverid AS server, name, ipaddress AS address
        FROM summary_network_interface
        WHERE export_id = (SELECT exportid FROM summary) AND serverid IN (SELECT id FROM servers)
        UNION ALL
        SELECT id AS server, name, ipaddress AS address
        FROM agent_network_interface each
        JOIN agents ON agents.agentid = each.agentid AND exportid = export_id
        JOIN servers ON servers.agentid = each.agentid
    ) named
),
interfaces AS (
    SELECT server, name, address
    FROM (
        SELECT
            server, name,
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
    WHERE address NOT LIKE '127.%'
      AND address NOT IN ('', '::1', '0:0:0:0:0:0:0:1', '0.0.0.0', '::', '0:0:0:0:0:0:0:0')
),
addresses AS (
    SELECT address, min(server) AS server, max(server) AS other_server FROM interfaces GROUP BY address
),
-- Each connection as its agent has seen it: the address of the agent and the other address.
seen AS (
    SELECT
        'source' AS side, agentid, export_id, agentassignedprocessid AS process, sourceip AS own_address,
        destinationip AS other_address, destinationport AS port, transportprotocol AS protocol, ipversion,
        agentcreationdate AS seen_at
    FROM agent_source_process_connection
    UNION ALL
    SELECT
        'target' AS side, agentid, export_id, agentassignedprocessid AS process, destinationip AS own_address,
        sourceip AS other_address, destinationport AS port, transportprotocol AS protocol, ipversion,
        agentcreationdate AS seen_at
    FROM agent_destination_process_connection
),
of_newest AS (
    SELECT
        side, seen.agentid, export_id, process, CASE WHEN port BETWEEN 0 AND 65535 THEN port END AS port,
        split_part(lower(trim(own_address)), '%', 1) AS own, split_part(lower(trim(other_address)), '%', 1) AS other,
        protocol, ipversion, seen_at
    FROM seen
    JOIN agents ON agents.agentid = seen.agentid AND exportid = export_id
),
counted AS (
    SELECT
        side, agentid, export_id, process, port,
        CASE
            WHEN own = '::1' THEN '0:0:0:0:0:0:0:1'
            WHEN own LIKE '%:ffff:%.%' THEN split_part(own, ':ffff:', 2)
            WHEN own LIKE '_%::%' THEN replace(
                own, '::', substr(':0:0:0:0:0:0:', 1, 17 - 2 * (length(own) - length(replace(own, ':', ''))))
            )
            ELSE own
        END AS own_address,
        CASE
            WHEN other = '::1' THEN '0:0:0:0:0:0:0:1'
            WHEN other LIKE '%:ffff:%.%' THEN split_part(other, ':ffff:', 2)
            WHEN other LIKE '_%::%' THEN replace(
                other, '::', substr(':0:0:0:0:0:0:', 1, 17 - 2 * (length(other) - length(replace(other, ':', ''))))
            )
            ELSE other
        END AS other_address,
        min(protocol) AS protocol, max(protocol) AS other_protocol, min(ipversion) AS ip_version,
        max(ipversion) AS other_ip_version, min(seen_at) AS first_seen, max(seen_at) AS last_seen, count(*) AS seen_rows
    FROM of_newest
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
processes AS (
    SELECT each.agentid, export_id, agentassignedprocessid AS process, min(name) AS name
    FROM agent_process each
    JOIN agents ON agents.agentid = each.agentid AND exportid = export_id
    GROUP BY each.agentid, export_id, agentassignedprocessid
),
classified AS (
    SELECT
        CASE
            WHEN servers.id IS NULL THEN 'agent not in the summary'
            WHEN coalesce(other_address, '') = '' THEN 'no address'
            WHEN other_address LIKE '127.%' OR own_address LIKE '127.%'
              OR other_address IN ('0:0:0:0:0:0:0:1', '0.0.0.0', '::', '0:0:0:0:0:0:0:0')
              OR own_address = '0:0:0:0:0:0:0:1' THEN 'loopback'
            WHEN own.server IS NOT NULL OR other_address = own_address THEN 'self'
            WHEN addresses.server <> addresses.other_server THEN 'shared address'
            WHEN addresses.server IS NULL THEN 'unknown address'
        END AS left_out,
        side, servers.id AS server, addresses.server AS other, own_address, other_address, port, protocol,
        other_protocol, ip_version, other_ip_version, first_seen, last_seen, seen_rows, processes.name AS process_name
    FROM counted
    LEFT JOIN servers ON servers.agentid = counted.agentid
    LEFT JOIN (SELECT DISTINCT server, address FROM interfaces) own
      ON own.server = servers.id AND own.address = other_address
    LEFT JOIN addresses ON addresses.address = other_address
    LEFT JOIN processes
      ON processes.agentid = counted.agentid AND processes.export_id = counted.export_id
      AND processes.process = counted.process
),
directed AS (
    SELECT
        left_out,
        side,
        CASE WHEN left_out IS NOT NULL THEN other_address END AS address,
        CASE WHEN left_out IS NULL THEN CASE side WHEN 'source' THEN server ELSE other END END AS source,
        CASE WHEN left_out IS NULL THEN CASE side WHEN 'source' THEN other ELSE server END END AS target,
        CASE WHEN left_out IS NULL THEN port END AS port,
        CASE side WHEN 'source' THEN own_address ELSE other_address END AS source_address,
        CASE side WHEN 'source' THEN other_address ELSE own_address END AS target_address,
        CASE WHEN left_out IS NULL THEN process_name END AS process_name,
        protocol, other_protocol, ip_version, other_ip_version, first_seen, last_seen, seen_rows
    FROM classified
),
by_process AS (
    SELECT
        left_out, side, address, source, target, port, process_name, min(source_address) AS source_address,
        min(target_address) AS target_address, min(protocol) AS protocol, max(other_protocol) AS other_protocol,
        min(ip_version) AS ip_version, max(other_ip_version) AS other_ip_version, min(first_seen) AS first_seen,
        max(last_seen) AS last_seen, sum(seen_rows) AS seen_rows,
        row_number() OVER (
            PARTITION BY left_out, side, address, source, target, port
            ORDER BY CASE WHEN process_name IS NULL THEN 1 ELSE 0 END, sum(seen_rows) DESC, process_name
        ) AS place
    FROM directed
    GROUP BY left_out, side, address, source, target, port, process_name
),
by_side AS (
    SELECT
        left_out, side, address, source, target, port, min(source_address) AS source_address,
        min(target_address) AS target_address, min(protocol) AS protocol, max(other_protocol) AS other_protocol,
        min(ip_version) AS ip_version, max(other_ip_version) AS other_ip_version, min(first_seen) AS first_seen,
        max(last_seen) AS last_seen, sum(seen_rows) AS seen_rows,
        max(CASE WHEN place = 1 THEN process_name END) AS process_name
    FROM by_process
    GROUP BY left_out, side, address, source, target, port
),
by_pair AS (
    SELECT
        left_out, address, source, target, port, min(source_address) AS source_address,
        min(target_address) AS target_address, min(protocol) AS protocol, max(other_protocol) AS other_protocol,
        min(ip_version) AS ip_version, max(other_ip_version) AS other_ip_version, min(first_seen) AS first_seen,
        max(last_seen) AS last_seen, sum(seen_rows) AS seen_rows, max(seen_rows) AS connections,
        max(CASE WHEN side = 'source' THEN process_name END) AS source_process,
        max(CASE WHEN side = 'target' THEN process_name END) AS target_process
    FROM by_side
    GROUP BY left_out, address, source, target, port
),
ranked AS (
    SELECT
        left_out, address, source, target, port, source_address, target_address, protocol, other_protocol, ip_version,
        other_ip_version, first_seen, last_seen, seen_rows, connections, source_process, target_process,
        row_number() OVER (PARTITION BY left_out, source ORDER BY seen_rows DESC, address) AS place,
        sum(seen_rows) OVER (PARTITION BY left_out, source) AS all_rows,
        count(*) OVER (PARTITION BY left_out, source) AS all_addresses
    FROM by_pair
)
SELECT
    ranked.left_out,
    CASE WHEN left_out IS NOT NULL THEN ranked.address END AS address,
    ranked.source,
    source_server.hostname AS source_host,
    ranked.target,
    target_server.hostname AS target_host,
    ranked.port AS target_port,
    CASE WHEN protocol = other_protocol THEN protocol ELSE protocol || '/' || other_protocol END AS protocol,
    CASE WHEN ip_version = other_ip_version THEN ip_version ELSE ip_version || '/' || other_ip_version END AS ip_version,
    ranked.source_address,
    ranked.target_address,
    ranked.source_process,
    ranked.target_process,
    ranked.first_seen,
    ranked.last_seen,
    ranked.connections,
    ranked.seen_rows,
    CASE WHEN left_out IS NOT NULL THEN ranked.all_rows END AS all_rows,
    CASE WHEN left_out IS NOT NULL THEN ranked.all_addresses END AS all_addresses
FROM ranked
LEFT JOIN servers source_server ON source_server.id = ranked.source
LEFT JOIN servers target_server ON target_server.id = ranked.target
WHERE left_out IS NULL OR place <= 10
ORDER BY left_out, ranked.source, ranked.target, ranked.port, place
