// Stand-in for vswhere.exe: knows the one Visual Studio that studio.txt beside it names, in versions 17.
#include <windows.h>

#include <cstdio>
#include <cstring>
#include <string>

int main(int argc, char **argv) {
    char own[MAX_PATH] = "", line[1000] = "";
    GetModuleFileNameA(nullptr, own, MAX_PATH);
    for (int i = 1; i + 1 < argc; ++i)
        if (!std::strcmp(argv[i], "-version") && std::strcmp(argv[i + 1], "[15.0,)") &&
            std::strcmp(argv[i + 1], "[17.0,18.0)"))
            return 0;
    std::string path = own;
    if (FILE *file = std::fopen((path.substr(0, path.rfind('\\')) + "\\studio.txt").c_str(), "r"))
        if (std::fgets(line, sizeof line, file)) std::puts(line);
    return 0;
}
