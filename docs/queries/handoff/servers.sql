-- Every server of the newest summary, with what is known of it: the rows of a hand-off. What was not measured is null.
-- address is an IPv4 address that no other server has, and that is neither link-local nor of a bridge for containers or
-- virtual machines on the server; addresses and unique_addresses count those of the server.
-- cores_per_processor and threads_per_core are null if they are not whole numbers. A size is in MB (RAM) or GB (disk).
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
recommended AS (
    SELECT exportid FROM usable
    WHERE kind = 'ec2-recommendations' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
),
listed AS (
    SELECT
        id, agentid, hostname, osname, osversion, hypervisor, smbiosid, type,
        row_number() OVER (PARTITION BY id ORDER BY each.row_number) AS place
    FROM summary_server each
    WHERE export_id = (SELECT exportid FROM summary) AND id IS NOT NULL
),
-- An agent that several servers have is that of none.
servers AS (
    SELECT
        id, hostname, osname, osversion, hypervisor, smbiosid, type,
        CASE WHEN count(*) OVER (PARTITION BY agentid) = 1 THEN agentid END AS agentid
    FROM listed WHERE place = 1
),
of_agents AS (
    SELECT
        agentid, exportid, hypervisor,
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
    SELECT agentid, exportid, hypervisor FROM of_agents WHERE age = 1
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
own_addresses AS (
    SELECT
        server,
        count(*) AS addresses,
        sum(CASE WHEN servers = 1 THEN 1 ELSE 0 END) AS unique_addresses,
        min(
            CASE
                WHEN servers = 1 AND is_inner = 0 AND address NOT LIKE '%:%' AND address NOT LIKE '169.254.%'
                THEN address
            END
        ) AS address
    FROM (
        SELECT
            server, address, count(*) OVER (PARTITION BY address) AS servers,
            max(
                CASE
                    WHEN lower(name) LIKE 'docker%' OR lower(name) LIKE 'br-%' OR lower(name) LIKE 'virbr%'
                      OR lower(name) LIKE 'cni%' OR lower(name) LIKE 'podman%' OR lower(name) LIKE 'vmnet%'
                    THEN 1 ELSE 0
                END
            ) AS is_inner
        FROM interfaces
        GROUP BY server, address
    ) counted
    GROUP BY server
),
-- A line of the import template has no server ID. It is that of the server with its SMBIOS ID, or else with its host
-- name, if no other server and no other line has the same.
kinds (kind) AS (
    VALUES ('smbios'), ('host')
),
template_keys AS (
    SELECT
        kind, CASE kind WHEN 'smbios' THEN smbiosid ELSE hostname END AS key, each.row_number AS line,
        cpu_numberofprocessors AS processors, cpu_numberofcores AS cores, cpu_numberoflogicalcores AS logical,
        cpu_usagepct_avg, cpu_usagepct_max, ram_totalsizeinmb, ram_usedsizeinmb_avg, ram_usedsizeinmb_max,
        diskreadopspersecond_max, diskwriteopspersecond_max,
        count(*) OVER (PARTITION BY kind, CASE kind WHEN 'smbios' THEN smbiosid ELSE hostname END) AS lines
    FROM summary_import_template each CROSS JOIN kinds
    WHERE export_id = (SELECT exportid FROM summary)
),
server_keys AS (
    SELECT kind, key, min(id) AS server
    FROM (
        SELECT kind, CASE kind WHEN 'smbios' THEN smbiosid ELSE hostname END AS key, id
        FROM servers CROSS JOIN kinds
    ) keys_of_servers
    GROUP BY kind, key HAVING count(*) = 1
),
matches AS (
    SELECT
        server, processors, cores, logical, cpu_usagepct_avg, cpu_usagepct_max, ram_totalsizeinmb,
        ram_usedsizeinmb_avg, ram_usedsizeinmb_max, diskreadopspersecond_max, diskwriteopspersecond_max,
        row_number() OVER (PARTITION BY line ORDER BY template_keys.kind DESC) AS line_place,
        row_number() OVER (PARTITION BY server ORDER BY template_keys.kind DESC) AS server_place
    FROM template_keys
    JOIN server_keys ON server_keys.kind = template_keys.kind AND server_keys.key = template_keys.key
    WHERE lines = 1
),
templates AS (
    SELECT
        server, processors, cores, logical, cpu_usagepct_avg, cpu_usagepct_max, ram_totalsizeinmb,
        ram_usedsizeinmb_avg, ram_usedsizeinmb_max, diskreadopspersecond_max, diskwriteopspersecond_max
    FROM matches WHERE line_place = 1 AND server_place = 1
),
ranked_performance AS (
    SELECT
        serverid AS server, numcpus, numcores, totalram, avgfreeram, totaldisksize, avgcpuusagepct, maxcpuusagepct,
        maxdiskreadopspersecond, maxdiskwriteopspersecond,
        row_number() OVER (PARTITION BY serverid ORDER BY each.row_number) AS place
    FROM summary_system_performance each WHERE export_id = (SELECT exportid FROM summary)
),
performance AS (
    SELECT
        server, numcpus, numcores, totalram, avgfreeram, totaldisksize, avgcpuusagepct, maxcpuusagepct,
        maxdiskreadopspersecond, maxdiskwriteopspersecond
    FROM ranked_performance WHERE place = 1
),
ranked_recommendations AS (
    SELECT
        serverid AS server, recommendation_ec2_instance_model AS instance_type, userpreference_ec2_tenancy AS tenancy,
        server_cpu_numberofprocessors AS processors, server_cpu_numberofcores AS cores,
        server_cpu_numberoflogicalcores AS logical, server_cpu_usagepct_avg AS cpu_avg,
        server_cpu_usagepct_max AS cpu_max, server_ram_totalsizeinmb AS ram_mb,
        server_ram_usedsizeinmb_avg AS ram_used_avg, server_ram_usedsizeinmb_max AS ram_used_max,
        server_diskreadopspersecond_max AS read_ops, server_diskwriteopspersecond_max AS write_ops,
        row_number() OVER (PARTITION BY serverid ORDER BY each.row_number) AS place
    FROM ec2_instance_recommendations each WHERE export_id = (SELECT exportid FROM recommended)
),
recommendations AS (
    SELECT
        server, instance_type, tenancy, processors, cores, logical, cpu_avg, cpu_max, ram_mb, ram_used_avg,
        ram_used_max, read_ops, write_ops
    FROM ranked_recommendations WHERE place = 1
),
ranked_samples AS (
    SELECT
        each.agentid, totalnumcpus, totalnumcores, totalnumlogicalprocessors, totalcpuusagepct, totalram_mb, freeram_mb,
        totaldisksize_gb, totaldiskfreesize_gb, totaldiskreadopspersecond, totaldiskwriteopspersecond,
        row_number() OVER (PARTITION BY each.agentid ORDER BY each."timestamp" DESC, each.row_number DESC) AS age
    FROM agent_system_performance each
    JOIN agents ON agents.agentid = each.agentid AND exportid = export_id
),
samples AS (
    SELECT
        agentid,
        max(CASE WHEN age = 1 THEN totalnumcpus END) AS processors,
        max(CASE WHEN age = 1 THEN totalnumcores END) AS cores,
        max(CASE WHEN age = 1 THEN totalnumlogicalprocessors END) AS logical,
        avg(totalcpuusagepct) AS cpu_avg,
        max(totalcpuusagepct) AS cpu_max,
        max(totalram_mb) AS ram_mb,
        avg(1e2 * (totalram_mb - freeram_mb) / nullif(totalram_mb, 0)) AS ram_avg,
        max(1e2 * (totalram_mb - freeram_mb) / nullif(totalram_mb, 0)) AS ram_max,
        max(CASE WHEN age = 1 THEN totaldisksize_gb END) AS disk_gb,
        max(
            CASE
                WHEN age = 1 THEN 1e2 * (totaldisksize_gb - totaldiskfreesize_gb) / nullif(totaldisksize_gb, 0)
            END
        ) AS disk_used,
        max(totaldiskreadopspersecond) AS read_ops,
        max(totaldiskwriteopspersecond) AS write_ops
    FROM ranked_samples
    GROUP BY agentid
),
ranked_tags AS (
    SELECT
        configurationid AS server, meaning, value,
        row_number() OVER (PARTITION BY configurationid, meaning ORDER BY place, value) AS place
    FROM summary_tags JOIN tag_keys ON lower(tag_keys.key) = lower(summary_tags.key)
    WHERE export_id = (SELECT exportid FROM summary) AND value IS NOT NULL
),
tags AS (
    SELECT
        server,
        max(CASE WHEN meaning = 'environment' THEN value END) AS environment,
        max(CASE WHEN meaning = 'data center' THEN value END) AS data_center,
        max(CASE WHEN meaning = 'wave' THEN value END) AS wave,
        max(CASE WHEN meaning = 'application' THEN value END) AS application
    FROM ranked_tags WHERE place = 1
    GROUP BY server
),
applications AS (
    SELECT configid AS server, min(name) AS application, count(DISTINCT named.id) AS applications
    FROM summary_application_resource_association association
    JOIN (
        SELECT application_row.id, application_row.name
        FROM summary_application application_row
        WHERE application_row.export_id = (SELECT exportid FROM summary) AND application_row.name IS NOT NULL
    ) named ON named.id = association.applicationconfigurationid
    WHERE association.export_id = (SELECT exportid FROM summary)
    GROUP BY configid
),
virtual_machines AS (
    SELECT DISTINCT serverid AS server FROM summary_vmware_info WHERE export_id = (SELECT exportid FROM summary)
),
-- The numbers of processors, cores and threads are only compared if they have the same source.
measured AS (
    SELECT
        servers.id,
        servers.agentid,
        servers.hostname,
        servers.osname,
        servers.osversion,
        servers.hypervisor,
        servers.type,
        CASE
            WHEN templates.processors > 0 AND templates.cores > 0 THEN 'template'
            WHEN recommendations.processors > 0 AND recommendations.cores > 0 THEN 'recommendation'
            WHEN samples.processors > 0 AND samples.cores > 0 THEN 'agent'
            WHEN performance.numcpus > 0 AND performance.numcores > 0 THEN 'summary'
        END AS hardware,
        templates.processors AS template_processors,
        templates.cores AS template_cores,
        templates.logical AS template_logical,
        recommendations.processors AS recommended_processors,
        recommendations.cores AS recommended_cores,
        recommendations.logical AS recommended_logical,
        samples.processors AS agent_processors,
        samples.cores AS agent_cores,
        samples.logical AS agent_logical,
        performance.numcpus,
        performance.numcores,
        coalesce(
            performance.maxcpuusagepct, templates.cpu_usagepct_max, recommendations.cpu_max, samples.cpu_max
        ) AS cpu_max,
        coalesce(
            performance.avgcpuusagepct, templates.cpu_usagepct_avg, recommendations.cpu_avg, samples.cpu_avg
        ) AS cpu_avg,
        coalesce(templates.ram_totalsizeinmb, recommendations.ram_mb, samples.ram_mb, performance.totalram) AS ram_mb,
        coalesce(
            1e2 * templates.ram_usedsizeinmb_max / nullif(templates.ram_totalsizeinmb, 0),
            1e2 * recommendations.ram_used_max / nullif(recommendations.ram_mb, 0),
            samples.ram_max
        ) AS ram_max,
        coalesce(
            1e2 * (performance.totalram - performance.avgfreeram) / nullif(performance.totalram, 0),
            1e2 * templates.ram_usedsizeinmb_avg / nullif(templates.ram_totalsizeinmb, 0),
            1e2 * recommendations.ram_used_avg / nullif(recommendations.ram_mb, 0),
            samples.ram_avg
        ) AS ram_avg,
        coalesce(performance.totaldisksize, samples.disk_gb) AS disk_gb,
        samples.disk_used,
        coalesce(
            performance.maxdiskreadopspersecond, templates.diskreadopspersecond_max, recommendations.read_ops,
            samples.read_ops
        ) AS read_ops,
        coalesce(
            performance.maxdiskwriteopspersecond, templates.diskwriteopspersecond_max, recommendations.write_ops,
            samples.write_ops
        ) AS write_ops,
        recommendations.instance_type,
        recommendations.tenancy
    FROM servers
    LEFT JOIN performance ON performance.server = servers.id
    LEFT JOIN templates ON templates.server = servers.id
    LEFT JOIN recommendations ON recommendations.server = servers.id
    LEFT JOIN samples ON samples.agentid = servers.agentid
),
hardware AS (
    SELECT
        id, agentid, hostname, osname, osversion, hypervisor, type, cpu_max, cpu_avg, ram_mb, ram_max, ram_avg, disk_gb,
        disk_used, read_ops, write_ops, instance_type, tenancy,
        CASE hardware
            WHEN 'template' THEN template_processors
            WHEN 'recommendation' THEN recommended_processors
            WHEN 'agent' THEN agent_processors
            WHEN 'summary' THEN numcpus
        END AS processors,
        CASE hardware
            WHEN 'template' THEN template_cores
            WHEN 'recommendation' THEN recommended_cores
            WHEN 'agent' THEN agent_cores
            WHEN 'summary' THEN numcores
        END AS cores,
        CASE hardware
            WHEN 'template' THEN template_logical
            WHEN 'recommendation' THEN recommended_logical
            WHEN 'agent' THEN agent_logical
        END AS logical
    FROM measured
)
SELECT
    hardware.id,
    hardware.hostname,
    hardware.osname,
    hardware.osversion,
    coalesce(
        hardware.hypervisor, agents.hypervisor, CASE WHEN virtual_machines.server IS NOT NULL THEN 'VMware' END
    ) AS hypervisor,
    hardware.type,
    agents.agentid,
    own_addresses.address,
    coalesce(own_addresses.addresses, 0) AS addresses,
    coalesce(own_addresses.unique_addresses, 0) AS unique_addresses,
    hardware.processors,
    CASE
        WHEN hardware.cores % nullif(hardware.processors, 0) = 0
        THEN CAST(hardware.cores / nullif(hardware.processors, 0) AS bigint)
    END AS cores_per_processor,
    CASE
        WHEN hardware.logical > 0 AND hardware.logical % nullif(hardware.cores, 0) = 0
        THEN CAST(hardware.logical / nullif(hardware.cores, 0) AS bigint)
    END AS threads_per_core,
    hardware.cpu_max,
    hardware.cpu_avg,
    hardware.ram_mb,
    hardware.ram_max,
    hardware.ram_avg,
    hardware.disk_gb,
    hardware.disk_used,
    hardware.read_ops,
    hardware.write_ops,
    tags.environment,
    tags.data_center,
    tags.wave,
    coalesce(tags.application, applications.application) AS application,
    coalesce(applications.applications, 0) AS applications,
    hardware.instance_type,
    hardware.tenancy
FROM hardware
LEFT JOIN agents ON agents.agentid = hardware.agentid
LEFT JOIN own_addresses ON own_addresses.server = hardware.id
LEFT JOIN tags ON tags.server = hardware.id
LEFT JOIN applications ON applications.server = hardware.id
LEFT JOIN virtual_machines ON virtual_machines.server = hardware.id
ORDER BY hardware.id
