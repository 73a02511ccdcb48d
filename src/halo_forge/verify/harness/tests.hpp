// The process of the tests. It starts the answer as a process of its own, which gets two pipes and nothing else: it
// cannot read this one's memory, file or stdout. Calls of the answer's functions are sent there.

namespace halo_wire {

inline int to_answer = -1, from_answer = -1;
inline pid_t answer_pid = -1;
inline char nonce[33] = "";
inline unsigned long calls = 0;
inline const char *(*look)() = nullptr;  // what is missing though the tests ended well

// Ends with what ended the answer, so that the verdict says so.
[[noreturn]] inline void answer_is_gone(const char *function) {
    int status = 0;
    std::fflush(nullptr);
    kill(answer_pid, SIGCONT);
    waitpid(answer_pid, &status, 0);
    std::fprintf(stderr, "the program ended in call %lu of the tests, of %s\n", calls, function);
    std::fflush(nullptr);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

[[noreturn]] inline void answer_is_wrong(const char *function) {
    std::fflush(nullptr);
    std::fprintf(stderr, "what came back from %s is not of its type\n", function);
    _exit(1);
}

struct Foreign {};  // an exception of a type that the tests cannot name

[[noreturn]] inline void rethrow(Ending ending, In &in) {
    if (ending == Ending::number) throw Wire<int>::get(in);
    std::string what = Wire<std::string>::get(in);
    switch (ending) {
#define HALO_THROW(kind) case Ending::kind: throw std::kind(what);
        HALO_STANDARD(HALO_THROW)
#undef HALO_THROW
        case Ending::bad_alloc: throw std::bad_alloc();
        case Ending::text: throw what;
        case Ending::foreign: throw Foreign();
        default: throw std::runtime_error(what);
    }
}

template <> struct Wire<void> {
    static void get(In &) {}
};

template <int number, class F> struct Stub;
template <int number, class R, class... A> struct Stub<number, R(A...)> {
    static_assert(!std::is_reference_v<R>, "a reference cannot be returned from another process");
    static R call(A... arguments) {
        Out out;
        In in;
        calls++;
        Wire<int>::put(out, number);
        (Wire<Bare<A>>::put(out, arguments), ...);
        if (out.data.size() > FRAME_BYTES) throw std::length_error("the arguments are too long to be sent");
        if (!send(to_answer, out) || !receive(from_answer, in)) answer_is_gone(names[number]);
        Ending ending;
        try {
            ending = static_cast<Ending>(Wire<unsigned char>::get(in));
            if (ending == Ending::value) {
                (take_back<A>(in, arguments), ...);
                return Wire<Bare<R>>::get(in);
            }
        } catch (const Broken &) {
            answer_is_wrong(names[number]);
        }
        try {
            rethrow(ending, in);
        } catch (const Broken &) {
            answer_is_wrong(names[number]);
        }
    }
    template <class T> static void take_back(In &in, std::remove_reference_t<T> &argument) {
        if constexpr (comes_back<T>) argument = Wire<Bare<T>>::get(in);
    }
};
// All of the tests ran, and main returned 0 or exit(0) was called by them: nobody else knows the nonce.
inline void report(int status, void *) {
    std::fflush(nullptr);
    if (status != 0) return;
    if (calls == 0) {
        std::fprintf(stderr, "the tests ended without calling the program\n");
        return;
    }
    if (const char *missing = look ? look() : nullptr) {
        std::fprintf(stderr, "%s\n", missing);
        return;
    }
    dprintf(1, "\n%s\n", nonce);
}

__attribute__((constructor(101))) inline void start() {
    if (getenv("HALO_TYPES")) return;  // the build asks what crosses
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    unlink("tests");
    const char *given = getenv("HALO_NONCE");
    if (given) std::strncpy(nonce, given, sizeof nonce - 1);
    unsetenv("HALO_NONCE");
    int there[2], back[2];
    if (!given || pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC)) _exit(1);
    answer_pid = fork();
    if (answer_pid == 0) {
        int null = open("/dev/null", O_RDWR);
        if (fcntl(there[0], F_DUPFD, 20) != 20 || fcntl(back[1], F_DUPFD, 21) != 21) _exit(127);
        if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(20, 3) < 0 || dup2(21, 4) < 0) _exit(127);
        for (int fd = 5; fd < 64; fd++) close(fd);
        signal(SIGPIPE, SIG_DFL);
        char program[] = "./main";
        char *const arguments[] = {program, nullptr}, *const environment[] = {nullptr};
        execve(program, arguments, environment);
        _exit(127);
    }
    close(there[0]);
    close(back[1]);
    to_answer = there[1];
    from_answer = back[0];
    on_exit(report, nullptr);
}

}  // namespace halo_wire

// In the place of the C library's: a test that fails ends the tests, and nothing crashes.
extern "C" [[noreturn]] void __assert_fail(const char *text, const char *, unsigned int line, const char *) noexcept {
    std::fflush(nullptr);
    std::fprintf(stderr, "assertion failed: %s (line %u of the tests)\n", text, line);
    std::fflush(nullptr);
    _exit(0);
}
