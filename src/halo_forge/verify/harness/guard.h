// The guard of tests that run in the answer's process; what it does is told in beside.py. R_ becomes a random name, and
// SEED, FIRST, SECOND random numbers, for every judgement. C and C++; no function of a library is called.

#if defined(__x86_64__)
static long R_call(long n, long a, long b, long c, long d) {
    long r;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return r;
}
#define R_MACHINE 0xc000003eU
#define R_READ 0
#define R_WRITE 1
#define R_EXIT 231
#define R_GETPID 39
#define R_PRCTL 157
#define R_CLONE 56
#define R_MMAP 9
#define R_MPROTECT 10
// fork, vfork, execve, execveat, …, seccomp, pkey_mprotect, personality (which can make all that is readable code)
#define R_DENIED 57, 58, 59, 322, R_PRCTL, 317, 329, 135
#elif defined(__aarch64__)
static long R_call(long n, long a, long b, long c, long d) {
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#define R_MACHINE 0xc00000b7U
#define R_READ 63
#define R_WRITE 64
#define R_EXIT 94
#define R_GETPID 172
#define R_PRCTL 167
#define R_CLONE 220
#define R_MMAP 222
#define R_MPROTECT 226
#define R_DENIED 221, 281, R_PRCTL, 277, 288, 92  // execve, execveat, …, seccomp, pkey_mprotect, personality
#else
#error "the guarded mode knows x86-64 and AArch64"
#endif

static volatile unsigned long long R_state = SEEDULL, R_count = 0, R_home = 0;
static void R_write(long fd, const char *text, unsigned long size) {
    while (size > 0) {
        long sent = R_call(R_WRITE, fd, (long)text, (long)size, 0);
        if (sent <= 0) break;
        text += sent;
        size -= (unsigned long)sent;
    }
}
static void R_say(const char *text) {
    unsigned long size = 0;
    while (text[size]) size++;
    R_write(2, text, size);
}
static void R_stop(void) {
    R_state = 0;
    for (;;) R_call(R_EXIT, 0, 0, 0, 0);
}
// A copy of the process that tries what the tests say to one answer, in order to give another, is told nothing.
static void R_stay(void) {
    if (((unsigned long long)R_call(R_GETPID, 0, 0, 0, 0) ^ FIRSTULL) != R_home) R_stop();
}
static void R_fail(const char *text, int line) {
    char number[12];
    int at = 11;
    R_state = 0;
    R_stay();
    number[at] = 0;
    do number[--at] = (char)('0' + line % 10); while ((line /= 10) > 0 && at > 0);
    R_say("assertion failed: ");
    R_say(text);
    R_say(" (line ");
    R_say(number + at);
    R_say(" of the tests)\n");
    R_stop();
}
static void R_held(void) {
    R_stay();
    R_count = R_count + 1;
}
static void R_passed(unsigned long long number) {
    R_held();
    R_state = (R_state ^ number) * 0x9e3779b97f4a7c15ULL + 1;
}
static unsigned long long R_mix(unsigned long long x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}
// Before anything else of the program, its static initialisers too: from here on it cannot be copied or replaced, nor
// make code of data, nor put a filter of its own before system calls. Threads can be started.
static void R_guard(void) {
    static const unsigned int denied[] = {R_DENIED};
    struct R_step { unsigned short code; unsigned char yes, no; unsigned int value; } steps[64];
    struct R_filter { unsigned short size; struct R_step *steps; } filter;
    unsigned int size = 0, at;
#define R_put(a, b, c, d) \
    do { \
        steps[size].code = (a); \
        steps[size].yes = (b); \
        steps[size].no = (c); \
        steps[size].value = (d); \
        size++; \
    } while (0)
#define R_load(offset) R_put(0x20, 0, 0, offset)
#define R_refuse() R_put(0x06, 0, 0, 0x00050001U)
    R_load(4);
    R_put(0x15, 1, 0, R_MACHINE);
    R_refuse();
    R_load(0);
    for (at = 0; at < sizeof denied / sizeof denied[0]; at++) {
        R_put(0x15, 0, 1, denied[at]);
        R_refuse();
    }
    R_put(0x15, 0, 1, 435);  // clone3, whose flags a filter cannot see: "no such call", so that libraries fall back
    R_put(0x06, 0, 0, 0x00050026U);
    R_put(0x15, 0, 3, R_CLONE);
    R_load(16);
    R_put(0x45, 5, 0, 0x10000);  // CLONE_THREAD
    R_refuse();
    R_put(0x15, 1, 0, R_MMAP);
    R_put(0x15, 0, 2, R_MPROTECT);
    R_load(32);
    R_put(0x45, 1, 0, 4);  // PROT_EXEC
    R_put(0x06, 0, 0, 0x7fff0000U);
    R_refuse();
    filter.size = (unsigned short)size;
    filter.steps = steps;
    R_home = (unsigned long long)R_call(R_GETPID, 0, 0, 0, 0) ^ FIRSTULL;
    // Not dumpable, no new privileges, the filter.
    if (R_call(R_PRCTL, 4, 0, 0, 0) || R_call(R_PRCTL, 38, 1, 0, 0) || R_call(R_PRCTL, 22, 2, (long)&filter, 0)) {
        R_say("R_ cannot be guarded\n");
        R_stop();
    }
}
__attribute__((section(".preinit_array"), used)) static void (*R_early)(void) = R_guard;
static int R_end(int code) {
    unsigned long long nonce[2], mixed[2];
    char text[32];
    unsigned long have = 0;
    int at;
    R_stay();
    if (code != 0) {
        R_say("the tests ended with an exit code other than 0\n");
        R_stop();
    }
    if (ASSERTING && R_count == 0) {
        R_say("the tests ended without an assertion\n");
        R_stop();
    }
    while (have < sizeof nonce) {
        long got = R_call(R_READ, 0, (long)((char *)nonce + have), (long)(sizeof nonce - have), 0);
        if (got <= 0) R_stop();
        have += (unsigned long)got;
    }
    mixed[0] = R_mix(R_state ^ FIRSTULL ^ R_mix(nonce[0]));
    mixed[1] = R_mix(mixed[0] ^ SECONDULL ^ nonce[1]);
    for (at = 0; at < 32; at++) text[at] = "0123456789abcdef"[(mixed[at / 16] >> (60 - 4 * (at % 16))) & 15];
    R_write(1, text, 32);
    R_stop();
    return 1;
}
#undef assert
#define assert(...) ((__VA_ARGS__) ? R_held() : R_fail(#__VA_ARGS__, __LINE__))
#define R_must(number, ...) ((__VA_ARGS__) ? R_passed(number) : R_fail(#__VA_ARGS__, __LINE__))
