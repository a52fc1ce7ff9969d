-- Which applications have no server? Truncated summaries are left out.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT application.id, application.name
FROM summary_application application
LEFT JOIN summary_application_resource_association association
  ON association.applicationconfigurationid = application.id AND association.export_id = application.export_id
WHERE application.export_id IN (SELECT exportid FROM newest) AND association.configid IS NULL
ORDER BY application.id
