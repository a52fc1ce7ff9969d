-- An intake form for Cloud Migration Factory: a row for each server of the newest summary.
-- server_name must be unique: a server has its ID if it has no host name, or the same one as another server. Replace the
-- constants in the first lines. A cell of which nothing is known, such as a wave that no tag has, is empty: fill it in.
WITH target (account, region, strategy, tier) AS (
    VALUES ('111122223333', 'eu-central-1', 'Rehost', 'app')
),
newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
),
servers AS (
    SELECT id, hostname, osname, osversion, count(*) OVER (PARTITION BY hostname) AS same_name
    FROM summary_server
    WHERE export_id IN (SELECT exportid FROM newest)
),
tags AS (
    SELECT
        configurationid AS id,
        max(CASE WHEN lower(key) = 'wave' THEN value END) AS wave,
        max(CASE WHEN lower(key) = 'environment' THEN value END) AS environment
    FROM summary_tags
    WHERE export_id IN (SELECT exportid FROM newest)
    GROUP BY configurationid
),
assigned AS (
    SELECT association.configid AS id, min(application.name) AS application
    FROM summary_application_resource_association association
    JOIN summary_application application
      ON application.id = association.applicationconfigurationid AND application.export_id = association.export_id
    WHERE association.export_id IN (SELECT exportid FROM newest)
    GROUP BY association.configid
)
SELECT
    tags.wave AS wave_name,
    assigned.application AS app_name,
    target.account AS aws_accountid,
    target.region AS aws_region,
    CASE WHEN servers.same_name = 1 THEN coalesce(servers.hostname, servers.id) ELSE servers.id END AS server_name,
    CASE
        WHEN lower(coalesce(servers.osname, '') || ' ' || coalesce(servers.osversion, '')) LIKE '%windows%' THEN 'windows'
        WHEN coalesce(servers.osname, servers.osversion) IS NOT NULL THEN 'linux'
    END AS server_os_family,
    coalesce(servers.osversion, servers.osname) AS server_os_version,
    servers.hostname AS server_fqdn,
    target.tier AS server_tier,
    tags.environment AS server_environment,
    target.strategy AS r_type
FROM servers CROSS JOIN target
LEFT JOIN tags ON tags.id = servers.id
LEFT JOIN assigned ON assigned.id = servers.id
ORDER BY wave_name, app_name, server_name
