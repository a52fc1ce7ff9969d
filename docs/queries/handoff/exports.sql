-- Which exports does a hand-off use? The newest summary and recommendations that are not truncated, and the newest
-- export of each agent.
WITH
-- Settings: exports until this time; only these exports ('' is all); keys of tags, by meaning, the first one first.
settings (as_of) AS (
    VALUES (TIMESTAMP '9999-12-31 23:59:59')
),
chosen (id) AS (
    VALUES ('')
),
tag_keys (meaning, key, place) AS (
    VALUES ('environment', 'environment', 1), ('data center', 'datacenter', 1), ('wave', 'wave', 1)
),
-- End of the settings.
usable AS (
    SELECT exportid, kind, exportrequesttime, istruncated
    FROM exports CROSS JOIN settings
    WHERE exportrequesttime <= as_of
      AND ((SELECT min(id) FROM chosen) = '' OR exportid IN (SELECT id FROM chosen))
),
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
        row_number() OVER (PARTITION BY agentid ORDER BY exportrequesttime DESC, exportid DESC) AS age
    FROM agent_os_info JOIN usable ON exportid = export_id
    WHERE agentid IS NOT NULL
)
SELECT kind, exportid, exportrequesttime, false AS istruncated, CAST(NULL AS varchar) AS agentid
FROM whole
WHERE age = 1
UNION ALL
SELECT 'agent' AS kind, exportid, exportrequesttime, istruncated, agentid
FROM of_agents
WHERE age = 1
ORDER BY kind, exportid, agentid
