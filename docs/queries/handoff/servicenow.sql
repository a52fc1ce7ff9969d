-- The servers of the newest summary for an import set of ServiceNow, with the names of the columns of cmdb_ci_server.
-- Coalesce on correlation_id: host names and addresses are not unique. What was not measured is null.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
),
hardware AS (
    SELECT serverid, max(numcpus) AS cpu_count, max(numcores) AS cores, max(totalram) AS ram, max(totaldisksize) AS disk
    FROM summary_system_performance
    WHERE export_id IN (SELECT exportid FROM newest)
    GROUP BY serverid
),
addresses AS (
    SELECT serverid, min(ipaddress) AS ip_address
    FROM summary_network_interface
    WHERE export_id IN (SELECT exportid FROM newest)
      AND ipaddress NOT LIKE '127.%' AND ipaddress NOT LIKE '%:%'
    GROUP BY serverid
)
SELECT
    server.id AS correlation_id,
    coalesce(server.hostname, server.id) AS name,
    server.hostname AS host_name,
    addresses.ip_address,
    server.osname AS os,
    server.osversion AS os_version,
    hardware.cpu_count,
    CASE
        WHEN hardware.cpu_count > 0 AND hardware.cores % nullif(hardware.cpu_count, 0) = 0
        THEN CAST(hardware.cores / hardware.cpu_count AS bigint)
    END AS cpu_core_count,
    hardware.ram,
    hardware.disk AS disk_space,
    CASE WHEN server.hypervisor IS NOT NULL THEN 'true' END AS virtual,
    'AWS Application Discovery Service' AS discovery_source
FROM summary_server server
LEFT JOIN hardware ON hardware.serverid = server.id
LEFT JOIN addresses ON addresses.serverid = server.id
WHERE server.export_id IN (SELECT exportid FROM newest)
ORDER BY correlation_id
