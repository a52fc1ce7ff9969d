-- The newest summary as a file for Migration Hub import. Servers without any ID, name and address are left out: the
-- import needs one of them.
WITH newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
)
SELECT
    externalid AS "ExternalId",
    smbiosid AS "SMBiosId",
    ipaddress AS "IPAddress",
    macaddress AS "MACAddress",
    hostname AS "HostName",
    vmware_morefid AS "VMware.MoRefId",
    vmware_vcenterid AS "VMware.VCenterId",
    cpu_numberofprocessors AS "CPU.NumberOfProcessors",
    cpu_numberofcores AS "CPU.NumberOfCores",
    cpu_numberoflogicalcores AS "CPU.NumberOfLogicalCores",
    os_name AS "OS.Name",
    os_version AS "OS.Version",
    vmware_vmname AS "VMware.VMName",
    ram_totalsizeinmb AS "RAM.TotalSizeInMB",
    ram_usedsizeinmb_avg AS "RAM.UsedSizeInMB.Avg",
    ram_usedsizeinmb_max AS "RAM.UsedSizeInMB.Max",
    cpu_usagepct_avg AS "CPU.UsagePct.Avg",
    cpu_usagepct_max AS "CPU.UsagePct.Max",
    diskreadspersecondinkb_avg AS "DiskReadsPerSecondInKB.Avg",
    diskwritespersecondinkb_avg AS "DiskWritesPerSecondInKB.Avg",
    diskreadspersecondinkb_max AS "DiskReadsPerSecondInKB.Max",
    diskwritespersecondinkb_max AS "DiskWritesPerSecondInKB.Max",
    diskreadopspersecond_avg AS "DiskReadOpsPerSecond.Avg",
    diskwriteopspersecond_avg AS "DiskWriteOpsPerSecond.Avg",
    diskreadopspersecond_max AS "DiskReadOpsPerSecond.Max",
    diskwriteopspersecond_max AS "DiskWriteOpsPerSecond.Max",
    networkreadspersecondinkb_avg AS "NetworkReadsPerSecondInKB.Avg",
    networkwritespersecondinkb_avg AS "NetworkWritesPerSecondInKB.Avg",
    networkreadspersecondinkb_max AS "NetworkReadsPerSecondInKB.Max",
    networkwritespersecondinkb_max AS "NetworkWritesPerSecondInKB.Max",
    applications AS "Applications",
    tags AS "Tags"
FROM summary_import_template line
WHERE export_id IN (SELECT exportid FROM newest)
  AND coalesce(externalid, smbiosid, ipaddress, macaddress, hostname, vmware_morefid) IS NOT NULL
ORDER BY line.row_number
