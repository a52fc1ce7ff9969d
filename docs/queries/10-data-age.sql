-- How many days before its newest export did each agent send its last sample?
-- istruncated: the export is truncated, so the agent can have sent later samples.
WITH newest AS (
    SELECT
        agentid,
        max_by(export_id, exportrequesttime) AS export_id,
        max_by(istruncated, exportrequesttime) AS istruncated
    FROM agent_os_info JOIN exports ON exportid = export_id
    GROUP BY agentid
)
SELECT
    agentid,
    max("timestamp") AS last_sample,
    date_diff('day', CAST(max("timestamp") AS date), max(requested_date)) AS days_old,
    istruncated
FROM agent_system_performance JOIN newest USING (agentid, export_id)
GROUP BY agentid, istruncated
ORDER BY days_old DESC, agentid
