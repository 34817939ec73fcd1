/*
   phage's own rules: the EICAR test file, and combinations that no honest document has. `verdict` says
   what a match means: malicious (also where it is missing), suspicious, or info (a fact only).
*/

rule Eicar_Test_File {
  meta:
    description = "The EICAR standard anti-virus test file"
    verdict = "malicious"
  strings:
    $mark = "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
  condition:
    $mark in (0..128)
}

rule Shortcut_Starts_Interpreter {
  meta:
    description = "A Windows shortcut that runs a script interpreter with a hidden or encoded command"
    verdict = "suspicious"
  strings:
    $program = /powershell|mshta|wscript|cscript|regsvr32|rundll32|cmd\.exe/i ascii wide
    $hiding = /-w(indowstyle)?\s+h(idden)?|-e(nc|ncodedcommand)\s|frombase64string|downloadstring|https?:\/\//i ascii wide
  condition:
    uint32(0) == 0x0000004C and $program and $hiding
}

rule Script_Decodes_And_Runs {
  meta:
    description = "A script that downloads or decodes code and runs it at once"
    verdict = "suspicious"
  strings:
    $ps_fetch = /(downloadstring|downloadfile|invoke-webrequest|net\.webclient)/i
    $ps_decode = /frombase64string/i
    $ps_run = /(invoke-expression|\biex\b|start-process)/i
    $wsh = /(wscript\.shell|shell\.application)/i
    $wsh_fetch = /(msxml2\.(server)?xmlhttp|winhttp\.winhttprequest)/i
    $wsh_write = /adodb\.stream/i
  condition:
    filesize < 2MB and uint16(0) != 0x5A4D and
    ((any of ($ps_fetch, $ps_decode) and $ps_run and $ps_fetch and $ps_decode) or ($wsh and $wsh_fetch and $wsh_write))
}

rule Program_In_Document {
  meta:
    description = "A Windows program within an Office document"
    verdict = "suspicious"
  strings:
    $stub = "This program cannot be run in DOS mode"
  condition:
    uint32(0) == 0xE011CFD0 and $stub
}
