-- Which servers are new in the newest summary, and which are only in the one before it?
-- Truncated summaries are left out: a server that such a summary lacks is not gone.
WITH summaries AS (
    SELECT exportid, row_number() OVER (ORDER BY exportrequesttime DESC, exportid DESC) AS age
    FROM exports
    WHERE kind = 'summary' AND NOT istruncated
),
seen AS (
    SELECT id, max(hostname) AS hostname, min(age) AS latest, max(age) AS earliest
    FROM summary_server JOIN summaries ON exportid = export_id
    WHERE age <= 2
    GROUP BY id
)
SELECT id, hostname, CASE WHEN latest = 1 THEN 'new' ELSE 'gone' END AS change
FROM seen
WHERE latest = earliest
ORDER BY change, id
