-- What is the peak load of each server? The highest CPU use and the most memory in use.
-- istruncated: the export is truncated, so the peak can be higher.
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
    count(*) AS samples,
    max(totalcpuusagepct) AS highest_cpu_percent,
    max(totalram_mb - freeram_mb) AS most_ram_mb,
    istruncated
FROM agent_system_performance JOIN newest USING (agentid, export_id)
GROUP BY agentid, istruncated
ORDER BY highest_cpu_percent DESC, agentid
