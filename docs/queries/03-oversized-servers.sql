-- Which servers have more processors or memory than their recommended instance? Truncated exports are left out.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'ec2-recommendations' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT
    serverid,
    server_hostname,
    server_cpu_numberoflogicalcores AS logical_cores,
    recommendation_ec2_instance_vcpucount AS recommended_vcpus,
    server_ram_totalsizeinmb AS ram_mb,
    recommendation_ec2_instance_ram_totalsizeinmb AS recommended_ram_mb
FROM ec2_instance_recommendations
WHERE export_id IN (SELECT exportid FROM newest)
  AND (server_cpu_numberoflogicalcores > recommendation_ec2_instance_vcpucount
    OR server_ram_totalsizeinmb > recommendation_ec2_instance_ram_totalsizeinmb)
ORDER BY serverid
