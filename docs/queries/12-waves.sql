-- How many servers are in each migration wave (tag "wave"), and how many have no such tag? No truncated summaries.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT tag.value AS wave, count(*) AS servers
FROM summary_server server
LEFT JOIN summary_tags tag
  ON tag.configurationid = server.id AND tag.export_id = server.export_id AND tag.key = 'wave'
WHERE server.export_id IN (SELECT exportid FROM newest)
GROUP BY tag.value
ORDER BY wave
