-- Which instances are recommended, for how many servers, at what price for 730 hours? Truncated exports are left out.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'ec2-recommendations' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT
    recommendation_ec2_instance_model AS instance_type,
    count(*) AS servers,
    round(sum(recommendation_ec2_instance_price_amortizedhourlyrate) * 730, 2) AS monthly_price
FROM ec2_instance_recommendations
WHERE export_id IN (SELECT exportid FROM newest)
GROUP BY recommendation_ec2_instance_model
ORDER BY monthly_price DESC, instance_type
