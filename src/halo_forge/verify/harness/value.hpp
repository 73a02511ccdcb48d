// Values that the answer's process sends, as the process of the tests reads them. They say themselves what they are,
// since an answer may return int where another returns long: what they are compared with decides what they must be.
// Integers are compared exactly, whatever their types; numbers of both kinds as the mathematicians do; nothing is
// rounded, cut off or wrapped round before it is compared.

#include <cfloat>
#include <cmath>
#include <cctype>
#include <climits>
#include <cxxabi.h>
#include <iostream>
#include <memory>
#include <random>
#include <sstream>
#include <string_view>
#include <typeinfo>

namespace halo_wire {

[[noreturn]] inline void unfit(const char *why) {
    std::fflush(nullptr);
    std::fprintf(stderr, "what came back from the program %s\n", why);
    std::fflush(nullptr);
    _exit(0);
}

struct Lost {};  // a value that is not one of the type that was asked for

// An integer, or what is none.
struct Number {
    bool floating;
    __int128 whole;
    long double real;
};

inline Number made_whole(const Number &number) {
    const long double far = 0x1p120L;
    if (!number.floating || !(std::fabs(number.real) < far) || std::trunc(number.real) != number.real) return number;
    return {false, static_cast<__int128>(number.real), 0};
}

// -1, 0, 1; 2 where one of them is not a number.
inline int order(const Number &left, const Number &right) {
    const Number a = made_whole(left), b = made_whole(right);
    if (!a.floating && !b.floating) return a.whole < b.whole ? -1 : a.whole > b.whole;
    const long double x = a.floating ? a.real : static_cast<long double>(a.whole);
    const long double y = b.floating ? b.real : static_cast<long double>(b.whole);
    return std::isnan(x) || std::isnan(y) ? 2 : x < y ? -1 : x > y;
}

template <class T> Number number_of(T value) {
    if constexpr (std::is_floating_point_v<T>) return {true, 0, static_cast<long double>(value)};
    else return {false, static_cast<__int128>(value), 0};
}

inline char peek(const In &in) { return in.at < in.data.size() ? in.data[in.at] : throw Broken(); }
inline char tag(In &in) { char c; in.raw(&c, 1); return c; }
template <class T> T plain(In &in) { T value; in.raw(&value, sizeof value); return value; }

// i, u: integers; f: long double; s: text; p: pointer, n: none; l: items; t: fields; o: an optional.
inline Number number(In &in) {
    switch (tag(in)) {
        case 'i': return {false, plain<long long>(in), 0};
        case 'u': return {false, plain<unsigned long long>(in), 0};
        case 'w': return {false, plain<__int128>(in), 0};
        case 'f': return {true, 0, plain<long double>(in)};
        default: throw Lost();
    }
}
inline std::string text_of(In &in) {
    if (tag(in) != 's') throw Lost();
    return Wire<std::string>::get(in);
}
inline std::size_t items(In &in, char kind) {
    if (tag(in) != kind) throw Lost();
    return in.count();
}

template <class T> constexpr bool is_text = false;
template <> inline constexpr bool is_text<std::string> = true;
template <> inline constexpr bool is_text<std::string_view> = true;
template <> inline constexpr bool is_text<const char *> = true;
template <> inline constexpr bool is_text<char *> = true;
template <std::size_t N> inline constexpr bool is_text<char[N]> = true;

template <class T> constexpr bool is_sequence = false;
template <class T, class A> inline constexpr bool is_sequence<std::vector<T, A>> = true;
template <class T, class A> inline constexpr bool is_sequence<std::deque<T, A>> = true;
template <class T, class A> inline constexpr bool is_sequence<std::list<T, A>> = true;
template <class T, class C, class A> inline constexpr bool is_sequence<std::set<T, C, A>> = true;
template <class T, class C, class A> inline constexpr bool is_sequence<std::multiset<T, C, A>> = true;
template <class K, class V, class C, class A> inline constexpr bool is_sequence<std::map<K, V, C, A>> = true;
template <class K, class V, class C, class A> inline constexpr bool is_sequence<std::multimap<K, V, C, A>> = true;
template <class T> inline constexpr bool is_sequence<std::initializer_list<T>> = true;
template <class T, std::size_t N> inline constexpr bool is_sequence<std::array<T, N>> = true;
template <class T, std::size_t N> inline constexpr bool is_sequence<T[N]> = !std::is_same_v<std::remove_cv_t<T>, char>;

// Read into a T of its own; what is no T is Lost.
template <class T, class = void> struct Read;
template <class T> T read_as(In &in) { return Read<T>::get(in); }

template <class T> struct Read<T, std::enable_if_t<std::is_arithmetic_v<T>>> {
    static T get(In &in) {
        if constexpr (std::is_same_v<T, bool>) {
            const char kind = peek(in);
            if (kind == 'p' || kind == 'n') {
                tag(in);
                return plain<unsigned long long>(in) != 0;
            }
            const Number found = number(in);
            return found.floating ? found.real != 0 : found.whole != 0;
        } else if constexpr (std::is_floating_point_v<T>) {
            const Number found = number(in);
            return found.floating ? static_cast<T>(found.real) : static_cast<T>(found.whole);
        } else {
            const Number found = made_whole(number(in));
            if (found.floating || static_cast<__int128>(static_cast<T>(found.whole)) != found.whole) throw Lost();
            return static_cast<T>(found.whole);
        }
    }
};
template <> struct Read<std::string> {
    static std::string get(In &in) { return text_of(in); }
};
template <> struct Read<std::string_view> {
    static std::string_view get(In &in) {
        static std::list<std::string> kept;
        return kept.emplace_back(text_of(in));
    }
};
template <> struct Read<const char *> {
    static const char *get(In &in) {
        static std::list<std::string> kept;
        if (peek(in) == 'n') return tag(in), plain<unsigned long long>(in), nullptr;
        return kept.emplace_back(text_of(in)).c_str();
    }
};
template <class Items> struct Read_sequence {
    static Items get(In &in) {
        Items all;
        for (std::size_t left = items(in, 'l'); left > 0; left--) {
            using Item = typename Items::value_type;
            if constexpr (is_map<Items>::value) {
                if (items(in, 't') != 2) throw Lost();
                auto key = read_as<std::remove_const_t<typename Item::first_type>>(in);
                all.insert(Item(std::move(key), read_as<typename Item::second_type>(in)));
            } else {
                all.insert(all.end(), read_as<Item>(in));
            }
        }
        return all;
    }
    template <class M, class = void> struct is_map : std::false_type {};
    template <class M> struct is_map<M, std::void_t<typename M::mapped_type>> : std::true_type {};
};
template <class T> struct Read<std::vector<T>> : Read_sequence<std::vector<T>> {};
template <class T> struct Read<std::deque<T>> : Read_sequence<std::deque<T>> {};
template <class T> struct Read<std::list<T>> : Read_sequence<std::list<T>> {};
template <class T> struct Read<std::set<T>> : Read_sequence<std::set<T>> {};
template <class T> struct Read<std::multiset<T>> : Read_sequence<std::multiset<T>> {};
template <class T> struct Read<std::unordered_set<T>> : Read_sequence<std::unordered_set<T>> {};
template <class T> struct Read<std::unordered_multiset<T>> : Read_sequence<std::unordered_multiset<T>> {};
template <class K, class V> struct Read<std::map<K, V>> : Read_sequence<std::map<K, V>> {};
template <class K, class V> struct Read<std::multimap<K, V>> : Read_sequence<std::multimap<K, V>> {};
template <class K, class V> struct Read<std::unordered_map<K, V>> : Read_sequence<std::unordered_map<K, V>> {};
template <class A, class B> struct Read<std::pair<A, B>> {
    static std::pair<A, B> get(In &in) {
        if (items(in, 't') != 2) throw Lost();
        A first = read_as<A>(in);
        return {std::move(first), read_as<B>(in)};
    }
};
template <class... T> struct Read<std::tuple<T...>> {
    static std::tuple<T...> get(In &in) {
        if (items(in, 't') != sizeof...(T)) throw Lost();
        return std::tuple<T...>{read_as<T>(in)...};
    }
};
template <class T, std::size_t N> struct Read<std::array<T, N>> {
    static std::array<T, N> get(In &in) {
        if (items(in, 'l') != N) throw Lost();
        std::array<T, N> all{};
        for (T &item : all) item = read_as<T>(in);
        return all;
    }
};
template <class T> struct Read<std::optional<T>> {
    static std::optional<T> get(In &in) {
        if (peek(in) != 'o') return read_as<T>(in);
        tag(in);
        if (!Wire<bool>::get(in)) return std::nullopt;
        return read_as<T>(in);
    }
};
template <class T> struct Read<std::complex<T>> {
    static std::complex<T> get(In &in) {
        if (items(in, 't') != 2) throw Lost();
        T real = read_as<T>(in);
        return {real, read_as<T>(in)};
    }
};

// The types that can cross in both directions.
template <class T, class = void> struct Plain : std::is_arithmetic<T> {};
template <class T> struct Plain<const T> : Plain<T> {};
template <> struct Plain<std::string> : std::true_type {};
template <> struct Plain<std::string_view> : std::true_type {};
template <> struct Plain<const char *> : std::true_type {};
template <class T> struct Plain<std::vector<T>> : Plain<T> {};
template <class T> struct Plain<std::deque<T>> : Plain<T> {};
template <class T> struct Plain<std::list<T>> : Plain<T> {};
template <class T> struct Plain<std::set<T>> : Plain<T> {};
template <class T> struct Plain<std::multiset<T>> : Plain<T> {};
template <class T> struct Plain<std::unordered_set<T>> : Plain<T> {};
template <class T> struct Plain<std::unordered_multiset<T>> : Plain<T> {};
template <class K, class V> struct Plain<std::map<K, V>> : std::conjunction<Plain<K>, Plain<V>> {};
template <class K, class V> struct Plain<std::multimap<K, V>> : std::conjunction<Plain<K>, Plain<V>> {};
template <class K, class V> struct Plain<std::unordered_map<K, V>> : std::conjunction<Plain<K>, Plain<V>> {};
template <class A, class B> struct Plain<std::pair<A, B>> : std::conjunction<Plain<A>, Plain<B>> {};
template <class... T> struct Plain<std::tuple<T...>> : std::conjunction<Plain<T>...> {};
template <class T> struct Plain<std::optional<T>> : Plain<T> {};
template <class T> struct Plain<std::complex<T>> : Plain<T> {};
template <class T, std::size_t N> struct Plain<std::array<T, N>> : Plain<T> {};
template <class T, std::size_t N> struct Plain<T[N]> : Plain<T> {};

template <> struct Wire<std::string_view> {
    static void put(Out &out, std::string_view value) { Wire<std::string>::put(out, std::string(value)); }
};
template <class T> struct Wire<std::unordered_multiset<T>> : Set<std::unordered_multiset<T>> {};
template <class T, std::size_t N> struct Wire<T[N]> {
    static void put(Out &out, const T (&all)[N]) {
        if constexpr (std::is_arithmetic_v<std::remove_all_extents_t<T>>) out.raw(all, sizeof all);
        else for (const T &item : all) Wire<std::remove_cv_t<T>>::put(out, item);
    }
};
template <class T> void read_into(In &in, T &value) {
    if constexpr (std::is_array_v<T>) {
        if constexpr (std::is_arithmetic_v<std::remove_all_extents_t<T>>) in.raw(value, sizeof value);
        else for (auto &item : value) read_into(in, item);
    } else {
        value = read_as<T>(in);
    }
}

// What may stand on the other side of a comparison: plain values, null pointers, and lists in braces.
template <class T> struct Comparable : Plain<T> {};
template <class T> struct Comparable<const T> : Comparable<T> {};
template <> struct Comparable<std::nullptr_t> : std::true_type {};
template <> struct Comparable<std::nullopt_t> : std::true_type {};
template <> struct Comparable<char *> : std::true_type {};
template <class T> struct Comparable<std::initializer_list<T>> : Plain<T> {};

// Whether what comes next is equal to `wanted`. Throws Lost where it is nothing of that kind.
template <class A, class B> bool equal_parts(In &in, const std::pair<A, B> &wanted);
template <class... T> bool equal_parts(In &in, const std::tuple<T...> &wanted);
template <class T> bool equal_parts(In &in, const std::optional<T> &wanted);
template <class T> bool equal_parts(In &in, const std::complex<T> &wanted);
template <class T> bool equal_parts(In &in, const T &wanted);
template <class T> bool equal(In &in, const T &wanted) {
    if constexpr (std::is_same_v<T, std::nullopt_t>) {
        return equal_parts(in, std::optional<int>());
    } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
        const char kind = tag(in);
        if (kind == 's') return false;
        if (kind != 'p' && kind != 'n') throw Lost();
        return plain<unsigned long long>(in) == 0;
    } else if constexpr (std::is_arithmetic_v<T>) {
        if (peek(in) == 'p' || peek(in) == 'n' || peek(in) == 's') return wanted == 0 && equal(in, nullptr);  // NULL
        if (peek(in) == 'o') return tag(in), Wire<bool>::get(in) && equal(in, wanted);
        return order(number(in), number_of(wanted)) == 0;
    } else if constexpr (is_text<T>) {
        if constexpr (std::is_pointer_v<T>) {
            if (wanted == nullptr) return equal(in, nullptr);
        }
        if (peek(in) == 'n') return false;
        if (peek(in) == 'o') return tag(in), Wire<bool>::get(in) && equal(in, wanted);
        return text_of(in) == std::string_view(wanted);
    } else if constexpr (is_sequence<T>) {
        if (peek(in) == 'o') return tag(in), Wire<bool>::get(in) && equal(in, wanted);
        const std::size_t count = items(in, 'l');
        if (count != static_cast<std::size_t>(std::distance(std::begin(wanted), std::end(wanted)))) return false;
        for (const auto &item : wanted)
            if (!equal(in, item)) return false;
        return true;
    } else {
        return equal_parts(in, wanted);
    }
}
template <class A, class B> bool equal_parts(In &in, const std::pair<A, B> &wanted) {
    return items(in, 't') == 2 && equal(in, wanted.first) && equal(in, wanted.second);
}
template <class... T> bool equal_parts(In &in, const std::tuple<T...> &wanted) {
    return items(in, 't') == sizeof...(T) &&
           std::apply([&in](const T &...fields) { return (equal(in, fields) && ...); }, wanted);
}
template <class T> bool equal_parts(In &in, const std::optional<T> &wanted) {
    if (peek(in) != 'o') return wanted && equal(in, *wanted);
    tag(in);
    return Wire<bool>::get(in) ? wanted && equal(in, *wanted) : !wanted;
}
template <class T> bool equal_parts(In &in, const std::complex<T> &wanted) {
    return items(in, 't') == 2 && equal(in, wanted.real()) && equal(in, wanted.imag());
}
template <class T> bool equal_parts(In &in, const T &wanted) {
    return read_as<T>(in) == wanted;  // containers without an order
}

}  // namespace halo_wire
