// Tests whose objects live in the answer's process: what a test says of them is sent there as a numbered step, and what
// comes back is a Value, which is compared here. The steps themselves are compiled with the answer (steps.hpp, steps.h).

namespace halo_wire {

// What a step gave back.
class Value {
    In in_;

public:
    explicit Value(In in) : in_(std::move(in)) {}
    template <class Ask> auto ask(Ask ask) const -> decltype(ask(std::declval<In &>())) {
        In in = in_;
        try {
            return ask(in);
        } catch (const Broken &) {
            unfit("is not what it says");
        }
    }
    template <class T> T as() const {
        return ask([](In &in) -> T {
            try {
                return read_as<T>(in);
            } catch (const Lost &) {
                unfit("does not fit the type that the tests ask for");
            }
        });
    }
    template <class T> bool equals(const T &wanted) const {
        if constexpr (!Comparable<T>::value) return false;  // the build hears of it
        else return ask([&wanted](In &in) {
            try {
                return equal(in, wanted);
            } catch (const Lost &) {
                return false;
            }
        });
    }
    // -1, 0, 1, or 2 for what has no order.
    template <class T> int order_to(const T &wanted) const {
        return ask([&wanted](In &in) -> int {
            try {
                if constexpr (std::is_arithmetic_v<T>) {
                    return order(number(in), number_of(wanted));
                } else if constexpr (is_text<T>) {
                    const int found = text_of(in).compare(std::string(wanted));
                    return (found > 0) - (found < 0);
                } else if constexpr (!Plain<T>::value || std::is_array_v<T>) {
                    return 2;  // the build hears of it
                } else {
                    const T value = read_as<T>(in);
                    return value < wanted ? -1 : wanted < value ? 1 : 0;
                }
            } catch (const Lost &) {
                return 2;
            }
        });
    }
    long double real() const {
        return ask([](In &in) -> long double {
            try {
                const Number found = number(in);
                return found.floating ? found.real : static_cast<long double>(found.whole);
            } catch (const Lost &) {
                unfit("is no number");
            }
        });
    }
    const char *text() const {
        return ask([](In &in) -> const char * {
            try {
                return read_as<const char *>(in);
            } catch (const Lost &) {
                unfit("is no text");
            }
        });
    }
    std::string shown() const {
        return ask([](In &in) -> std::string {
            std::ostringstream out;
            const char kind = peek(in);
            try {
                if (kind == 's') return text_of(in);
                const Number found = number(in);
                if (found.floating) out << found.real;
                else out << static_cast<long long>(found.whole);
            } catch (const Lost &) {
                out << "(a value of kind " << kind << ")";
            }
            return out.str();
        });
    }
    std::string bytes() const { return in_.data.substr(in_.at); }
    explicit operator bool() const { return as<bool>(); }
    template <class T, class = std::enable_if_t<Plain<T>::value && !std::is_array_v<T>>> operator T() const {
        return as<T>();
    }
};

template <class T> constexpr bool other = !std::is_same_v<T, Value>;
template <class T> using If_other = std::enable_if_t<other<T>>;
template <class T, class = If_other<T>> bool operator==(const Value &v, const T &x) { return v.equals(x); }
template <class T, class = If_other<T>> bool operator==(const T &x, const Value &v) { return v.equals(x); }
template <class T, class = If_other<T>> bool operator!=(const Value &v, const T &x) { return !v.equals(x); }
template <class T, class = If_other<T>> bool operator!=(const T &x, const Value &v) { return !v.equals(x); }
template <class T, class = If_other<T>> bool operator<(const Value &v, const T &x) { return v.order_to(x) == -1; }
template <class T, class = If_other<T>> bool operator<(const T &x, const Value &v) { return v.order_to(x) == 1; }
template <class T, class = If_other<T>> bool operator>(const Value &v, const T &x) { return v.order_to(x) == 1; }
template <class T, class = If_other<T>> bool operator>(const T &x, const Value &v) { return v.order_to(x) == -1; }
template <class T, class = If_other<T>> bool operator<=(const Value &v, const T &x) {
    const int found = v.order_to(x);
    return found == -1 || found == 0;
}
template <class T, class = If_other<T>> bool operator>=(const T &x, const Value &v) { return v <= x; }
template <class T, class = If_other<T>> bool operator>=(const Value &v, const T &x) {
    const int found = v.order_to(x);
    return found == 1 || found == 0;
}
template <class T, class = If_other<T>> bool operator<=(const T &x, const Value &v) { return v >= x; }
// Two of the answer's: numbers and texts by what they are, all else by how it is written.
inline bool operator==(const Value &a, const Value &b) {
    return a.ask([&b](In &in) {
        try {
            if (peek(in) == 's') return b.equals(text_of(in));
            const Number mine = number(in);
            return b.ask([&mine](In &other) { return order(mine, number(other)) == 0; });
        } catch (const Lost &) {
            return false;
        }
    }) || a.bytes() == b.bytes();
}
inline bool operator!=(const Value &a, const Value &b) { return !(a == b); }
inline bool operator<(const Value &a, const Value &b) { return a < b.real(); }
inline bool operator>(const Value &a, const Value &b) { return a > b.real(); }
inline bool operator<=(const Value &a, const Value &b) { return a <= b.real(); }
inline bool operator>=(const Value &a, const Value &b) { return a >= b.real(); }

// Arithmetic: a long double holds every double and every integer of 64 bits.
#define HALO_NUMBERS(op) \
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>> \
    long double operator op(const Value &v, T x) { return v.real() op static_cast<long double>(x); } \
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>> \
    long double operator op(T x, const Value &v) { return static_cast<long double>(x) op v.real(); }
HALO_NUMBERS(-)
HALO_NUMBERS(*)
#undef HALO_NUMBERS
#define HALO_INTEGERS(op) \
    template <class T, class = std::enable_if_t<std::is_integral_v<T>>> \
    long long operator op(const Value &v, T x) { return v.as<long long>() op static_cast<long long>(x); } \
    template <class T, class = std::enable_if_t<std::is_integral_v<T>>> \
    long long operator op(T x, const Value &v) { return static_cast<long long>(x) op v.as<long long>(); }
HALO_INTEGERS(%)
HALO_INTEGERS(&)
HALO_INTEGERS(|)
HALO_INTEGERS(^)
#undef HALO_INTEGERS
template <class T> auto operator+(const Value &v, const T &x) {
    if constexpr (std::is_arithmetic_v<T>) return v.real() + static_cast<long double>(x);
    else return v.text() + std::string(x);
}
template <class T> auto operator+(const T &x, const Value &v) {
    if constexpr (std::is_arithmetic_v<T>) return static_cast<long double>(x) + v.real();
    else return std::string(x) + v.text();
}
inline std::ostream &operator<<(std::ostream &out, const Value &value) { return out << value.shown(); }

template <class T> auto number(const T &value) {
    if constexpr (other<T>) return value;
    else return value.real();
}
template <class T> struct Kept_as {
    using Type = std::decay_t<T>;
};
template <std::size_t N> struct Kept_as<const char (&)[N]> {
    using Type = std::string;
};
template <class T> using Kept = typename Kept_as<T>::Type;
// What stands behind an address of the answer's, as many bytes as the tests compare.
inline const char *bytes(const Value &value) {
    static std::list<std::string> kept;
    return kept.emplace_back(value.as<std::string>()).c_str();
}
template <class T> auto text(const T &value) {
    if constexpr (other<T>) return value;
    else return value.text();
}

// ---- what types the steps are given, for the build to know: `tests` prints them when it is asked for them.
template <class T> struct Spelled {};
struct Given {
    int number, at;
    const char *type;
    bool crosses, kept, back;
};
inline std::vector<Given> &given() {
    static std::vector<Given> all;
    return all;
}
enum class Way { in, object, back };
template <Way way, class T> struct Capture {
    using Type = std::remove_reference_t<T>;
    static constexpr bool comes_back = !std::is_const_v<Type> && std::is_lvalue_reference_v<T> &&
                                       (way == Way::back || (way == Way::object && !std::is_arithmetic_v<Type>));
    Type &value;
};
template <class T> Capture<Way::in, T &&> in(T &&value) { return {value}; }
template <class T> Capture<Way::object, T &&> object(T &&value) { return {value}; }
template <class T> Capture<Way::back, T &&> back(T &&value) { return {value}; }

template <class T, bool back> bool enlist(int number, int at) {
    using Bare = std::remove_reference_t<T>;
    given().push_back({number, at, typeid(Spelled<std::remove_cv_t<Bare>>).name(), Plain<Bare>::value, std::is_lvalue_reference_v<T>, back});
    return true;
}
template <int K, class... C> struct Enlisted;
template <int K, Way... way, class... T> struct Enlisted<K, Capture<way, T>...> {
    static bool all() {
        int at = 0;
        ((enlist<T, Capture<way, T>::comes_back>(K, at++)), ...);
        return true;
    }
    static inline bool done = all();
};
template <int N, class T> struct Compared {
    static bool all() {
        given().push_back({N, -1, typeid(Spelled<T>).name(), Comparable<T>::value, false, false});
        return true;
    }
    static inline bool done = all();
};
// The side of a comparison that is the tests'. The number is that of the step on the other side.
template <int N, class T> const T &against(const T &value) {
    (void)&Compared<N, T>::done;
    return value;
}
template <int N> inline std::nullptr_t against(std::nullptr_t) { return nullptr; }
// A variable of the tests that becomes what a step gave back.
template <int N, class T, class V> T as(const V &value) {
    using Type = std::remove_cv_t<std::remove_reference_t<T>>;
    if constexpr (!other<V>) {
        (void)&Compared<N, std::conditional_t<Plain<Type>::value && !std::is_pointer_v<Type>, Type, void>>::done;
        if constexpr (Plain<Type>::value && !std::is_array_v<Type>) return value.template as<Type>();
        else unfit("cannot cross");
    } else {
        return static_cast<T>(value);
    }
}
inline void types() {
    if (!std::getenv("HALO_TYPES")) return;
    for (const Given &one : given()) {
        int status = 0;
        char *name = abi::__cxa_demangle(one.type, nullptr, nullptr, &status);
        std::printf("%d\t%d\t%d\t%d\t%d\t%s\n", one.number, one.at, one.crosses, one.kept, one.back, name ? name : "?");
        std::free(name);
    }
    std::fflush(nullptr);
    _exit(0);
}

// ---- steps
inline void put_all(Out &) {}
template <Way way, class T, class... More> void put_all(Out &out, const Capture<way, T> &one, const More &...more) {
    using Type = std::remove_cv_t<typename Capture<way, T>::Type>;
    if constexpr (Plain<Type>::value) Wire<Type>::put(out, one.value);
    put_all(out, more...);
}
inline void read_back(In &) {}
template <Way way, class T, class... More> void read_back(In &in, const Capture<way, T> &one, const More &...more) {
    using Type = typename Capture<way, T>::Type;
    if constexpr (Capture<way, T>::comes_back && Plain<Type>::value) read_into(in, one.value);
    read_back(in, more...);
}
inline In exchanged(const Out &out, const char *what) {
    In in;
    if (!send(to_answer, out) || !receive(from_answer, in)) answer_is_gone(what);
    return in;
}
// A type that the tests name: the bits say which of them it is.
struct Named {
    unsigned long long kinds;
};
template <class T> struct Both : T, Named {
    template <class... A> explicit Both(unsigned long long kinds, A &&...arguments)
        : T(std::forward<A>(arguments)...), Named{kinds} {}
};
[[noreturn]] inline void rethrow_named(Ending ending, In &in) {
    const auto kinds = Wire<unsigned long long>::get(in);
    if (ending == Ending::number || ending == Ending::text) rethrow(ending, in);
    const std::string what = Wire<std::string>::get(in);
    switch (ending) {
#define HALO_THROW(kind) case Ending::kind: throw Both<std::kind>(kinds, what);
        HALO_STANDARD(HALO_THROW)
#undef HALO_THROW
        case Ending::other: throw Both<std::exception>(kinds);
        default: throw Both<Foreign>(kinds);
    }
}
inline Value value_in(In &in) {
    In found;
    found.data = Wire<std::string>::get(in);
    return Value(std::move(found));
}
template <int K, class... C> Value step(const C &...captures) {
    (void)&Enlisted<K, C...>::done;
    calls++;
    Out out;
    Wire<int>::put(out, K);
    put_all(out, captures...);
    if (out.data.size() > FRAME_BYTES) throw std::length_error("the arguments are too long to be sent");
    In in = exchanged(out, names[K]);
    Ending ending;
    try {
        ending = static_cast<Ending>(Wire<unsigned char>::get(in));
        if (ending == Ending::value) {
            Value value = value_in(in);
            read_back(in, captures...);
            return value;
        }
    } catch (const Broken &) {
        answer_is_wrong(names[K]);
    } catch (const Lost &) {
        answer_is_wrong(names[K]);
    }
    try {
        rethrow_named(ending, in);
    } catch (const Broken &) {
        answer_is_wrong(names[K]);
    }
}
// 0: leave the innermost scope; -1: leave the innermost loop.
inline In go_on(int how) {
    Out out;
    Wire<int>::put(out, how);
    return exchanged(out, "the end of a scope");
}
// Objects of the answer that live as long as this one.
struct Scope {
    Scope() = default;
    Scope(const Scope &) = delete;
    ~Scope() { go_on(0); }
};
template <int K, class... C> Scope enter(const C &...captures) {
    step<K>(captures...);
    return {};
}
template <int K, class F, class... C> decltype(auto) within(F function, const C &...captures) {
    Scope scope = enter<K>(captures...);
    return function();
}
template <int K> struct Loop {
    bool inside = false, fresh = true;
    template <class... C> explicit Loop(const C &...captures) { inside = step<K>(captures...).template as<bool>(); }
    Loop(const Loop &) = delete;
    ~Loop() {
        if (inside) go_on(-1);
    }
    bool next() {
        if (fresh) return fresh = false, inside;
        In in = go_on(0);
        try {
            const Ending ending = static_cast<Ending>(Wire<unsigned char>::get(in));
            if (ending == Ending::value) return inside = value_in(in).template as<bool>();
            inside = false;
            rethrow_named(ending, in);
        } catch (const Broken &) {
            answer_is_wrong(names[K]);
        }
    }
};

// Two values of the answer: both as they are, or what its own operator says of what cannot cross.
template <class Compare> bool both(const Value &value, Compare compare) {
    const std::string data = value.bytes();
    if (data.empty() || data[0] != 'P') return value.as<bool>();
    In in;
    in.data = data;
    in.at = 1;
    try {
        In first;
        first.data = Wire<std::string>::get(in);
        In second;
        second.data = Wire<std::string>::get(in);
        return compare(Value(std::move(first)), Value(std::move(second)));
    } catch (const Broken &) {
        unfit("is not what it says");
    }
}

// A value that is another than this one, at random; `way` says which.
template <class T> T another(const T &value, int way) {
    if constexpr (std::is_same_v<T, bool>) return !value;
    else if constexpr (std::is_arithmetic_v<T>) return static_cast<T>(value + static_cast<T>(way % 2 ? way + 1 : -way - 1));
    else if constexpr (std::is_same_v<T, std::string>) return way % 2 ? value + static_cast<char>('a' + way) : "!" + value;
    else return value;
}
// Whether the answer's operator says of `wanted`, and of no other value, that it is equal.
template <int N, class T, class Ask> bool told_apart(const T &wanted, bool when_equal, Ask ask) {
    using Type = Kept<const T &>;
    (void)&Compared<N, Type>::done;
    const Type genuine(wanted);
    std::random_device random;
    const int others = std::is_same_v<Type, bool> ? 1 : std::is_arithmetic_v<Type> || is_text<Type> ? 3 : 0;
    const int place = static_cast<int>(random() % static_cast<unsigned>(others + 1));
    bool told = true, answer = false;
    for (int at = 0; at <= others; at++) {
        const bool equal = static_cast<bool>(ask(at == place ? genuine : another(genuine, static_cast<int>(random() % 7)))) == when_equal;
        if (at == place) answer = equal;
        else told = told && !equal;
    }
    return (answer && told) == when_equal;
}

// ---- assertions
inline bool reached[ASSERTIONS + 1];  // no object: it is looked at when these are gone
inline bool asserted = false;
inline bool held(int number) {
    asserted = true;
    reached[number] = true;
    return true;
}
[[noreturn]] inline void failed(const char *text, int line) { __assert_fail(text, "", static_cast<unsigned>(line), ""); }
inline const char *missing() {
    static const int must_be_reached[] = {MUST -1};
    if (ASSERTIONS > 0 && !asserted) return "the tests ended without an assertion";
    for (int number : must_be_reached)
        if (number >= 0 && !reached[number]) return "an assertion of the tests, in a loop over what came back, was never reached";
    return nullptr;
}
static const bool looked_for = (look = missing, true);

}  // namespace halo_wire
