-- What is the peak load of each server? The highest CPU use and the most memory in use.
-- istruncated: the export is truncated, so the peak can be higher.
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
    count(*) AS samples,
    max(totalcpuusagepct) AS highest_cpu_percent,
    max(totalram_mb - freeram_mb) AS most_ram_mb,
    istruncated
FROM agent_system_performance JOIN newest USING (agentid, export_id)
GROUP BY agentid, istruncated
ORDER BY highest_cpu_percent DESC, agentid
