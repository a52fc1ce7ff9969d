-- What is the peak load of each server? The highest CPU use and the most memory in use.
WITH newest AS (
    SELECT agentid, max_by(export_id, exportrequesttime) AS export_id
    FROM agent_os_info JOIN exports ON exportid = export_id
    GROUP BY agentid
)
SELECT
    agentid,
    count(*) AS samples,
    max(totalcpuusagepct) AS highest_cpu_percent,
    max(totalram_mb - freeram_mb) AS most_ram_mb
FROM agent_system_performance JOIN newest USING (agentid, export_id)
GROUP BY agentid
ORDER BY highest_cpu_percent DESC, agentid
