-- How many days before its newest export did each agent send its last sample?
-- istruncated: the export is truncated, so the agent can have sent later samples.
WITH of_agents AS (
    SELECT
        agentid, export_id, istruncated,
        row_number() OVER (
            PARTITION BY agentid
            ORDER BY
                least(coalesce(requestedendtime, exportrequesttime), exportrequesttime) DESC,
                exportrequesttime DESC, export_id DESC
        ) AS age
    FROM agent_os_info JOIN exports ON exportid = export_id
),
newest AS (
    SELECT agentid, export_id, istruncated FROM of_agents WHERE age = 1
)
SELECT
    agentid,
    max("timestamp") AS last_sample,
    date_diff('day', CAST(max("timestamp") AS date), max(requested_date)) AS days_old,
    istruncated
FROM agent_system_performance JOIN newest USING (agentid, export_id)
GROUP BY agentid, istruncated
ORDER BY days_old DESC, agentid
