"""Names that C and C++ programs get from their libraries, so that nobody asks the answer for them.

A name in tests that neither they nor the prompt declare is the answer's, unless it stands here. What stands here and is
asked for all the same (a `gcd` of one's own) is told by the task's entry point, prefix or solution.
"""

from __future__ import annotations

_NAMES = {
    "c": """
        assert NULL EOF FILE stdin stdout stderr true false bool errno EXIT_SUCCESS EXIT_FAILURE RAND_MAX
        BUFSIZ size_t ssize_t ptrdiff_t intptr_t uintptr_t wchar_t time_t clock_t va_list int8_t int16_t
        int32_t int64_t uint8_t uint16_t uint32_t uint64_t intmax_t uintmax_t max_align_t div_t ldiv_t
        lldiv_t tm CLOCKS_PER_SEC INT_MAX INT_MIN UINT_MAX LONG_MAX LONG_MIN ULONG_MAX LLONG_MAX LLONG_MIN
        ULLONG_MAX CHAR_BIT CHAR_MAX CHAR_MIN SCHAR_MAX SCHAR_MIN UCHAR_MAX SHRT_MAX SHRT_MIN USHRT_MAX
        INT8_MAX INT8_MIN INT16_MAX INT16_MIN INT32_MAX INT32_MIN INT64_MAX INT64_MIN UINT8_MAX UINT16_MAX
        UINT32_MAX UINT64_MAX SIZE_MAX PTRDIFF_MAX DBL_MAX DBL_MIN DBL_EPSILON FLT_MAX FLT_MIN FLT_EPSILON
        LDBL_MAX LDBL_EPSILON NAN INFINITY HUGE_VAL M_PI M_E M_SQRT2 M_PI_2 M_PI_4 M_LN2 M_LN10 ENOENT
        EINVAL ERANGE EDOM SIGINT SIGSEGV SIGABRT SIGTERM SIG_DFL SIG_IGN printf fprintf sprintf snprintf
        vprintf vfprintf vsnprintf scanf fscanf sscanf puts fputs putchar putc fputc getchar getc fgetc gets
        fgets ungetc fopen fclose fread fwrite fseek ftell rewind fflush feof ferror perror setvbuf setbuf
        remove rename tmpfile getline malloc calloc realloc free exit _exit _Exit abort atexit quick_exit
        system getenv atoi atol atoll atof strtol strtoll strtoul strtoull strtod strtof strtold rand srand
        random srandom qsort bsearch abs labs llabs div ldiv lldiv memcpy memmove memset memcmp memchr
        strcpy strncpy strcat strncat strcmp strncmp strcasecmp strncasecmp strchr strrchr strstr strpbrk
        strspn strcspn strtok strtok_r strlen strnlen strdup strndup strerror stpcpy isalpha isdigit isalnum
        isspace isupper islower ispunct isprint iscntrl isxdigit isgraph isblank toupper tolower time clock
        difftime mktime localtime gmtime strftime nanosleep sleep usleep signal raise setjmp longjmp jmp_buf
        va_start va_arg va_end va_copy offsetof fabs fabsf fabsl sqrt sqrtf sqrtl cbrt pow powf powl exp
        expf exp2 expm1 log logf log2 log10 log1p sin cos tan sinf cosf tanf asin acos atan atan2 sinh cosh
        tanh asinh acosh atanh floor floorf floorl ceil ceilf ceill round roundf roundl lround llround trunc
        truncf rint nearbyint fmod fmodf remainder hypot fmax fmin fmaxf fminf fma modf frexp ldexp copysign
        nan isnan isinf isfinite isnormal signbit erf erfc tgamma lgamma uint ushort ulong pthread_t
        pthread_create pthread_join pthread_mutex_t pthread_mutex_lock pthread_mutex_unlock
        pthread_mutex_init pthread_mutex_destroy static_assert alignof PRId64 PRIu64 PRId32 PRIu32 PRIu8
        PRIx64
    """,
    "types": """
        cout cin cerr clog std string wstring string_view vector array deque set multiset map multimap unordered_set
        unordered_map unordered_multiset unordered_multimap pair tuple optional variant any bitset complex
        initializer_list span unique_ptr shared_ptr weak_ptr function thread jthread mutex lock_guard
        unique_lock scoped_lock shared_mutex recursive_mutex condition_variable future promise async atomic
        atomic_int ostream istream iostream ostringstream istringstream stringstream ifstream ofstream
        fstream streambuf exception runtime_error logic_error invalid_argument out_of_range domain_error
        length_error range_error overflow_error underflow_error bad_alloc bad_cast bad_function_call
        bad_optional_access bad_variant_access error_code system_error priority_queue forward_list
        numeric_limits nullptr_t nullopt monostate in_place less greater equal_to hash plus minus multiplies
        regex smatch chrono this_thread filesystem type_info u8string u16string u32string ratio
        random_device mt19937 mt19937_64 uniform_int_distribution uniform_real_distribution
        reference_wrapper is_same is_same_v is_integral_v decay_t enable_if_t conditional_t
        remove_reference_t true_type false_type
    """,
    "std": """
        endl flush ws boolalpha noboolalpha fixed scientific setprecision setw setfill
        hex dec oct list stack queue begin end cbegin cend rbegin rend next prev advance distance size data
        empty ssize swap move forward exchange get tie make_pair make_tuple make_unique make_shared
        make_optional ref cref bind apply visit holds_alternative get_if to_string stoi stol stoll stoul
        stoull stof stod stold max min minmax clamp sort stable_sort partial_sort nth_element is_sorted find
        find_if find_if_not find_first_of adjacent_find count count_if search binary_search lower_bound
        upper_bound equal_range equal mismatch is_permutation lexicographical_compare all_of any_of none_of
        for_each copy copy_if copy_n copy_backward fill fill_n generate generate_n transform replace
        replace_if remove remove_if remove_copy_if unique reverse reverse_copy rotate shuffle partition
        stable_partition merge inplace_merge includes set_union set_intersection set_difference
        set_symmetric_difference push_heap pop_heap make_heap sort_heap is_heap max_element min_element
        minmax_element next_permutation prev_permutation iter_swap accumulate inner_product partial_sum
        adjacent_difference iota reduce gcd lcm midpoint lerp back_inserter front_inserter inserter
        istream_iterator ostream_iterator ranges views static_pointer_cast dynamic_pointer_cast
        const_pointer_cast terminate set_terminate uncaught_exceptions current_exception rethrow_exception
        exception_ptr real imag arg norm conj polar ios ios_base memory_order_relaxed byte as_const declval
        tuple_size not_fn mem_fn popcount bit_width has_single_bit countl_zero countr_zero sample from_chars
        to_chars quoted format literals string_literals chrono_literals
    """,
    "words": """
        this assert static_assert override final import module defined __func__ __LINE__ __FILE__
    """,
}
_SETS = {kind: frozenset(text.split()) for kind, text in _NAMES.items()}
"""c: the library of C; types: of std, always; std: of std, where its names are in use; words: the language's."""


def names(language: str, *, using_std: bool) -> frozenset[str]:
    """What belongs to the libraries where it stands without a namespace before it."""
    if language == "c":
        return _SETS["c"] | _SETS["words"]
    return _SETS["c"] | _SETS["words"] | _SETS["types"] | (_SETS["std"] if using_std else frozenset())
