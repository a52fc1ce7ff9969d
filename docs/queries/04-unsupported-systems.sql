-- Which servers run an operating system whose standard support has ended? Extend the list as you need.
WITH ended (pattern, support_ended) AS (
    VALUES
        ('%Windows Server 2003%', DATE '2015-07-14'),
        ('%Windows Server 2008%', DATE '2020-01-14'),
        ('%Windows Server 2012%', DATE '2023-10-10'),
        ('%Red Hat Enterprise Linux%release 6.%', DATE '2020-11-30'),
        ('%Red Hat Enterprise Linux%release 7.%', DATE '2024-06-30'),
        ('%CentOS%release 7.%', DATE '2024-06-30'),
        ('%Ubuntu 16.04%', DATE '2021-04-30'),
        ('%Ubuntu 18.04%', DATE '2023-05-31')
),
newest AS (
    SELECT exportid FROM exports WHERE kind = 'summary' ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT id, hostname, osversion, support_ended
FROM summary_server JOIN ended ON osversion LIKE pattern
WHERE export_id IN (SELECT exportid FROM newest)
ORDER BY support_ended, id
