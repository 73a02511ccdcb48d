// Stand-in for cl.exe under Wine: hands its arguments to cl.sh beside it, which runs a cross compiler of this machine.
#include <windows.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char **argv) {
    if (argc == 1)
        return std::fputs("Stand-in Compiler Version 19.0\r\nusage: cl [ option... ] filename...\r\n", stderr), 0;
    char own[MAX_PATH] = "";
    GetModuleFileNameA(nullptr, own, MAX_PATH);
    std::string script = own, words = "sh ";
    script = script.substr(2, script.rfind('\\') - 1) + "cl.sh"; // without the drive: Z: is the root of Unix
    for (char &letter : script)
        if (letter == '\\') letter = '/';
    words += script;
    for (int i = 1; i < argc; ++i) words += std::string(" \"") + argv[i] + "\"";
    STARTUPINFOA startup = {};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION process = {};
    if (!CreateProcessA("Z:\\bin\\sh", &words[0], nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup, &process))
        return 9;
    // Wine gives a Unix process no handles and us none for it: its end is the coming of this file.
    for (int i = 0; i < 6000; ++i, Sleep(20))
        if (FILE *status = std::fopen("cl.status", "r")) {
            int code = 9;
            bool whole = std::fscanf(status, "%d.", &code) == 1;
            std::fclose(status);
            if (!whole) continue;
            if (FILE *said = std::fopen("cl.out", "rb")) {
                for (int c; (c = std::getc(said)) != EOF;) std::putchar(c);
                std::fclose(said);
            }
            return std::remove("cl.out"), std::remove("cl.status"), code;
        }
    return 8;
}
