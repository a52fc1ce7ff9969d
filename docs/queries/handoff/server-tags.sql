-- The tags of every server of the newest summary that a hand-off copies: those of the meaning 'copied'.
WITH
-- Settings: exports until this time (add AND exportid IN ('export-…') for these only); keys of tags by meaning.
usable AS (
    SELECT exportid, kind, exportrequesttime, requestedendtime, istruncated
    FROM exports
    WHERE exportrequesttime <= TIMESTAMP '9999-12-31 23:59:59'
),
tag_keys (meaning, key, place) AS (
    VALUES ('copied', 'owner', 1)
),
-- End of the settings.
summary AS (
    SELECT exportid FROM usable
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT configurationid AS id, summary_tags.key, min(value) AS value
FROM summary_tags JOIN tag_keys ON tag_keys.key = summary_tags.key
WHERE meaning = 'copied' AND export_id = (SELECT exportid FROM summary) AND value IS NOT NULL
GROUP BY configurationid, summary_tags.key
ORDER BY id, summary_tags.key
