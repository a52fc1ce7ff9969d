-- Which servers are idle? CPU use below 5 % on average and below 20 % at peak. Truncated summaries are left out.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT server.id, server.hostname, performance.avgcpuusagepct, performance.maxcpuusagepct
FROM summary_system_performance performance
JOIN summary_server server ON server.id = performance.serverid AND server.export_id = performance.export_id
WHERE performance.export_id IN (SELECT exportid FROM newest)
  AND performance.avgcpuusagepct < 5 AND performance.maxcpuusagepct < 20
ORDER BY performance.avgcpuusagepct, server.id
