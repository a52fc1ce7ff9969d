-- How many servers run each operating system and version? Truncated summaries are left out.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT osname, osversion, count(*) AS servers
FROM summary_server
WHERE export_id IN (SELECT exportid FROM newest)
GROUP BY osname, osversion
ORDER BY servers DESC, osname, osversion
