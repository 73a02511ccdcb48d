@echo off
rem Kills the driver of one batch with all that it started. Needed only where a driver no longer minds its stdin.
rem   stop.cmd BATCH
rem BATCH: the name of the batch's folder, which stands in the command lines of its driver and its runner. It stands in
rem those of this file and of the PowerShell below too, so what names stop.cmd is left out.
powershell.exe -NoProfile -NonInteractive -Command "Get-CimInstance Win32_Process | Where-Object { $_.CommandLine -like '*%~1*' -and $_.CommandLine -notlike '*stop.cmd*' } | ForEach-Object { taskkill.exe /f /t /pid $_.ProcessId }" <nul
