-- How many days before its newest export did each agent send its last sample?
WITH newest AS (
    SELECT agentid, max_by(export_id, exportrequesttime) AS export_id
    FROM agent_os_info JOIN exports ON exportid = export_id
    GROUP BY agentid
)
SELECT
    agentid,
    max("timestamp") AS last_sample,
    date_diff('day', CAST(max("timestamp") AS date), CAST(max(requested_date) AS date)) AS days_old
FROM agent_system_performance JOIN newest USING (agentid, export_id)
GROUP BY agentid
ORDER BY days_old DESC, agentid
