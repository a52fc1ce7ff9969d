-- The servers of the newest summary as vertices for the bulk loader of Amazon Neptune (Gremlin).
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT
    id AS "~id",
    'server' AS "~label",
    coalesce(hostname, id) AS "name:String",
    osname AS "os:String",
    osversion AS "os_version:String"
FROM summary_server
WHERE export_id IN (SELECT exportid FROM newest)
ORDER BY id
