-- Which exports does a hand-off use? The newest summary and recommendations that are not truncated, and the export of
-- each agent whose range ends last: data_until. It has none if it was requested without one.
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
whole AS (
    SELECT
        exportid, kind, exportrequesttime,
        row_number() OVER (PARTITION BY kind ORDER BY exportrequesttime DESC, exportid DESC) AS age
    FROM usable
    WHERE kind IN ('summary', 'ec2-recommendations') AND NOT istruncated
),
of_agents AS (
    SELECT
        agentid, exportid, exportrequesttime, istruncated,
        least(coalesce(requestedendtime, exportrequesttime), exportrequesttime) AS data_until,
        row_number() OVER (
            PARTITION BY agentid
            ORDER BY
                least(coalesce(requestedendtime, exportrequesttime), exportrequesttime) DESC,
                exportrequesttime DESC, exportid DESC
        ) AS age
    FROM agent_os_info JOIN usable ON exportid = export_id
    WHERE agentid IS NOT NULL
)
SELECT
    kind, exportid, exportrequesttime, exportrequesttime AS data_until, false AS istruncated,
    CAST(NULL AS varchar) AS agentid
FROM whole
WHERE age = 1
UNION ALL
SELECT 'agent' AS kind, exportid, exportrequesttime, data_until, istruncated, agentid
FROM of_agents
WHERE age = 1
ORDER BY kind, exportid, agentid
