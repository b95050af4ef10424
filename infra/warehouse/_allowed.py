"""What a board's user may use: functions, table functions, words, formats and settings, by name.

The lists say what is allowed. A function, format or setting that a newer engine brings is refused
until it stands here. A function may stand here when its value depends on its arguments, the time
and chance only: not on a file, a dictionary, a table named by a text, the network, the server's
state or another query. `formatRow` is not here, because formats with a schema write files, and
`untuple` is not, because it becomes several arguments of the function around it; nor `tokens`,
whose second text is read as the call of a tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_NUMBERS: Final = """
    Int8 Int16 Int32 Int64 Int128 Int256 UInt8 UInt16 UInt32 UInt64 UInt128 UInt256 Float32 Float64
""".split()  # noqa: SIM905
_UNITS: Final = "Year Quarter Month Week Day Hour Minute Second".split()  # noqa: SIM905
_FRACTIONS: Final = "Millisecond Microsecond Nanosecond".split()  # noqa: SIM905


def _conversions() -> Iterator[str]:
    decimals = [f"Decimal{bits}" for bits in (32, 64, 128, 256)]
    others = ["Date", "Date32", "DateTime", "DateTime64", "UUID", "IPv4", "IPv6"]
    for kind in [*_NUMBERS, *decimals, *others]:
        yield from (f"to{kind}{otherwise}" for otherwise in ("", "OrZero", "OrNull", "OrDefault"))
    yield from (f"reinterpretAs{kind}" for kind in [*_NUMBERS, "String", "FixedString", "UUID"])
    for how in ("", "32", "64"):
        for otherwise in ("", "OrNull", "OrZero"):
            yield f"parseDateTime{how}BestEffort{otherwise}"
    for unit in [*_UNITS, *_FRACTIONS]:
        yield from (f"toInterval{unit}", f"add{unit}s", f"subtract{unit}s")
    for unit in _UNITS:
        yield from (f"toStartOf{unit}", f"toRelative{unit}Num")
    for unit in _FRACTIONS:
        yield f"toStartOf{unit}"
    for unit in ("Second", "Milli", "Micro", "Nano"):
        yield from (f"toUnixTimestamp64{unit}", f"fromUnixTimestamp64{unit}")


_SCALARS: Final = """
    plus minus multiply divide intDiv intDivOrZero modulo moduloOrZero positiveModulo negate abs gcd
    lcm max2 min2 mod divideDecimal multiplyDecimal

    equals notEquals less greater lessOrEquals greaterOrEquals isDistinctFrom isNotDistinctFrom and
    or not xor like notLike ilike notILike match exists if multiIf caseWithExpression
    caseWithoutExpression caseWithExpr caseWithoutExpr ifNull nullIf coalesce isNull isNotNull
    isNullable isZeroOrNull assumeNotNull toNullable greatest least isFinite isInfinite isNaN
    ifNotFinite

    e pi exp exp2 exp10 log ln log2 log10 log1p sqrt cbrt pow power sin cos tan asin acos atan atan2
    sinh cosh tanh asinh acosh atanh hypot degrees radians sign sigmoid factorial intExp2 intExp10
    erf erfc lgamma tgamma floor ceil ceiling round roundBankers trunc truncate roundDown
    roundToExp2 roundAge roundDuration widthBucket

    bitAnd bitOr bitXor bitNot bitShiftLeft bitShiftRight bitRotateLeft bitRotateRight bitTest
    bitTestAny bitTestAll bitCount bitHammingDistance bitSlice bitPositionsToArray bitmaskToArray
    bitmaskToList

    now now64 today yesterday toYear toQuarter toMonth toDayOfYear toDayOfMonth toDayOfWeek toHour
    toMinute toSecond toMillisecond toUnixTimestamp fromUnixTimestamp toStartOfISOYear
    toStartOfFiveMinutes toStartOfTenMinutes toStartOfFifteenMinutes toStartOfInterval
    toLastDayOfMonth toLastDayOfWeek toMonday toISOYear toISOWeek toWeek toYearWeek toYYYYMM
    toYYYYMMDD toYYYYMMDDhhmmss YYYYMMDDToDate YYYYMMDDToDate32 YYYYMMDDhhmmssToDateTime dateDiff
    date_diff dateTrunc date_trunc dateName monthName age timeSlot timeSlots toTimeZone timeZone
    timeZoneOf timeZoneOffset serverTimeZone makeDate makeDate32 makeDateTime makeDateTime64
    formatDateTime formatDateTimeInJodaSyntax parseDateTime parseDateTimeOrNull parseDateTimeOrZero
    parseDateTimeBestEffortUS toTime toModifiedJulianDay fromModifiedJulianDay toDaysSinceYearZero
    fromDaysSinceYearZero changeYear changeMonth changeDay changeHour changeMinute changeSecond
    toUTCTimestamp fromUTCTimestamp UTCTimestamp addDate subDate timeDiff date year quarter month
    day hour minute second dayOfWeek dayOfMonth dayOfYear week yearweek last_day from_unixtime
    date_format

    toString toStringCutToZero toFixedString toBool toLowCardinality toDecimalString toTypeName
    toColumnTypeName CAST accurateCast accurateCastOrNull accurateCastOrDefault reinterpret
    formatReadableSize formatReadableDecimalSize formatReadableQuantity formatReadableTimeDelta
    toDateTime32

    length lengthUTF8 char_length character_length octet_length empty notEmpty lower upper lowerUTF8
    upperUTF8 lcase ucase initcap initcapUTF8 reverse reverseUTF8 concat concatWithSeparator
    concat_ws concatAssumeInjective substring substringUTF8 substr mid substringIndex
    substringIndexUTF8 left leftUTF8 right rightUTF8 leftPad leftPadUTF8 lpad rightPad rightPadUTF8
    rpad trim trimBoth trimLeft ltrim trimRight rtrim startsWith startsWithUTF8 endsWith
    endsWithUTF8 position positionUTF8 positionCaseInsensitive positionCaseInsensitiveUTF8 locate
    countSubstrings countSubstringsCaseInsensitive countSubstringsCaseInsensitiveUTF8 countMatches
    countMatchesCaseInsensitive extract extractAll extractGroups extractAllGroups
    extractAllGroupsHorizontal extractAllGroupsVertical replace replaceOne replaceAll
    replaceRegexpOne replaceRegexpAll regexpQuoteMeta translate translateUTF8 splitByChar
    splitByString splitByRegexp splitByWhitespace splitByNonAlpha alphaTokens ngrams
    arrayStringConcat format repeat space ascii char hasToken hasTokenCaseInsensitive hasSubsequence
    multiSearchAny multiSearchAnyCaseInsensitive multiSearchAnyUTF8 multiSearchFirstPosition
    multiSearchFirstIndex multiSearchAllPositions multiMatchAny multiMatchAnyIndex
    appendTrailingCharIfAbsent isValidUTF8 toValidUTF8 normalizeUTF8NFC normalizeUTF8NFD
    normalizeUTF8NFKC normalizeUTF8NFKD base58Encode base58Decode tryBase58Decode base64Encode
    base64Decode tryBase64Decode hex unhex bin unbin encodeURLComponent decodeURLComponent
    encodeURLFormComponent decodeURLFormComponent encodeXMLComponent decodeXMLComponent
    decodeHTMLComponent extractTextFromHTML soundex firstLine basename bar visibleWidth

    array arrayElement arrayElementOrNull has hasAll hasAny hasSubstr indexOf countEqual arrayCount
    arrayMap arrayFilter arrayExists arrayAll arrayFirst arrayFirstOrNull arrayFirstIndex arrayLast
    arrayLastOrNull arrayLastIndex arraySum arrayAvg arrayMin arrayMax arrayProduct arraySort
    arrayReverseSort arrayPartialSort arrayPartialReverseSort arrayReverse arrayConcat arraySlice
    arrayPushBack arrayPushFront arrayPopBack arrayPopFront arrayResize arrayUniq arrayDistinct
    arrayCompact arrayFlatten flatten arrayZip arrayZipUnaligned arrayJoin arrayEnumerate
    arrayEnumerateUniq arrayEnumerateDense arrayDifference arrayCumSum arrayCumSumNonNegative
    arraySplit arrayReverseSplit arrayFill arrayReverseFill arrayFold arrayIntersect arrayUnion
    arraySymmetricDifference arrayRotateLeft arrayRotateRight arrayShiftLeft arrayShiftRight
    arrayWithConstant arrayJaccardIndex arrayDotProduct range
    replicate emptyArrayString emptyArrayUInt8 emptyArrayUInt64 emptyArrayInt64 emptyArrayDate
    emptyArrayDateTime

    tuple tupleElement tupleConcat tupleNames tupleToNameValuePairs flattenTuple tuplePlus
    tupleMinus tupleMultiply tupleDivide map mapKeys mapValues mapContains mapContainsKey
    mapContainsKeyLike mapAdd mapSubtract mapApply mapFilter mapExists mapAll mapSort mapReverseSort
    mapUpdate mapConcat mapFromArrays mapExtractKeyLike mapPopulateSeries

    JSONExtract JSONExtractString JSONExtractInt JSONExtractUInt JSONExtractFloat JSONExtractBool
    JSONExtractRaw JSONExtractArrayRaw JSONExtractKeys JSONExtractKeysAndValues
    JSONExtractKeysAndValuesRaw JSONHas JSONLength JSONType JSONKey JSON_VALUE JSON_QUERY
    JSON_EXISTS JSONArrayLength simpleJSONExtractString simpleJSONExtractInt simpleJSONExtractUInt
    simpleJSONExtractFloat simpleJSONExtractBool simpleJSONExtractRaw simpleJSONHas toJSONString
    isValidJSON

    protocol domain domainWithoutWWW topLevelDomain firstSignificantSubdomain
    cutToFirstSignificantSubdomain port path pathFull queryString fragment queryStringAndFragment
    extractURLParameter extractURLParameters extractURLParameterNames URLHierarchy URLPathHierarchy
    cutWWW cutQueryString cutFragment cutQueryStringAndFragment cutURLParameter netloc

    cityHash64 sipHash64 sipHash128 xxHash32 xxHash64 xxh3 farmHash64 murmurHash2_32 murmurHash2_64
    murmurHash3_32 murmurHash3_64 murmurHash3_128 metroHash64 wyHash64 halfMD5 MD5 SHA1 SHA224
    SHA256 SHA512 intHash32 intHash64 javaHash CRC32 CRC32IEEE CRC64 rand rand32 rand64 randConstant
    generateUUIDv4 generateUUIDv7 UUIDStringToNum UUIDNumToString IPv4NumToString IPv4StringToNum
    IPv6NumToString IPv6StringToNum IPv4ToIPv6 cutIPv6 isIPv4String isIPv6String isIPAddressInRange

    greatCircleDistance geoDistance greatCircleAngle pointInPolygon pointInEllipses geohashEncode
    geohashDecode geohashesInBox wkt svg readWKTPoint readWKTPolygon readWKTMultiPolygon
    readWKTLineString polygonAreaCartesian polygonAreaSpherical polygonPerimeterCartesian
    polygonPerimeterSpherical L1Norm L2Norm LinfNorm L1Distance L2Distance LinfDistance
    cosineDistance dotProduct

    version currentDatabase database schema currentUser user uptime getSetting
    transform materialize identity ignore isConstant byteSize rowNumberInBlock rowNumberInAllBlocks
    runningDifference grouping countDigits isDecimalOverflow
    defaultValueOfTypeName defaultValueOfArgumentType
""".split()  # noqa: SIM905

_AGGREGATES: Final = """
    count sum sumWithOverflow sumKahan avg avgWeighted min max any anyLast anyHeavy any_value argMin
    argMax uniq uniqExact uniqCombined uniqCombined64 uniqHLL12
    quantile quantileExact quantileExactLow quantileExactHigh quantileExactWeighted
    quantileExactInclusive quantileExactExclusive quantileTiming quantileTimingWeighted
    quantileTDigest quantileTDigestWeighted quantileBFloat16 quantileDeterministic quantileDD
    quantileGK quantileInterpolatedWeighted
    quantiles quantilesExact quantilesExactLow quantilesExactHigh quantilesExactWeighted
    quantilesExactInclusive quantilesExactExclusive quantilesTiming quantilesTDigest quantilesGK
    median medianExact medianExactLow medianExactHigh medianTiming medianTDigest
    stddevPop stddevSamp varPop varSamp stddev_pop stddev_samp var_pop var_samp covarPop covarSamp
    corr skewPop skewSamp kurtPop kurtSamp rankCorr simpleLinearRegression entropy boundingRatio
    groupArray array_agg groupArrayInsertAt groupArrayMovingAvg groupArrayMovingSum groupArraySample
    groupArraySorted groupArrayLast groupUniqArray groupArrayIntersect groupConcat group_concat
    groupBitAnd groupBitOr groupBitXor groupBitmap
    sumMapFiltered topK topKWeighted approx_top_k approx_top_sum histogram
    deltaSum deltaSumTimestamp sequenceMatch sequenceCount windowFunnel retention maxIntersections
    maxIntersectionsPosition intervalLengthSum singleValueOrNull sparkbar lttb
    largestTriangleThreeBuckets exponentialMovingAverage mannWhitneyUTest studentTTest welchTTest
    rank dense_rank row_number ntile percent_rank cume_dist lag lead lagInFrame leadInFrame
    first_value last_value nth_value nonNegativeDerivative
""".split()  # noqa: SIM905

SCALARS: Final = frozenset(name.lower() for name in (*_SCALARS, *_conversions()))
AGGREGATES: Final = frozenset(name.lower() for name in _AGGREGATES)
"""Also with combinators: `sumIf`, `countDistinct`."""
ROW_MAKERS: Final = frozenset(
    ("numbers", "numbers_mt", "zeros", "generate_series", "generateseries")
)
"""Table functions that only make rows, of numbers alone: a text that says the structure, as that of
`values`, may compute columns by any expression, and no check of the statement sees it."""

KEYWORDS: Final = frozenset(
    """
    SELECT DISTINCT ON FROM FINAL PREWHERE WHERE GROUP BY WITH ROLLUP CUBE TOTALS GROUPING SETS ALL
    HAVING WINDOW QUALIFY ORDER ASC DESC NULLS FIRST LAST COLLATE FILL TO STEP INTERPOLATE LIMIT
    OFFSET TIES UNION EXCEPT INTERSECT JOIN LEFT RIGHT INNER FULL OUTER CROSS ANY SEMI ANTI ASOF
    ARRAY USING AS AND OR NOT IN LIKE ILIKE IS NULL BETWEEN OVER PARTITION ROWS RANGE GROUPS
    UNBOUNDED PRECEDING FOLLOWING CURRENT ROW APPLY REPLACE COLUMNS EXISTS IGNORE RESPECT
    """.split()  # noqa: SIM905
)
"""Words of a SELECT as the engine prints them; any other word is a name."""
ENDING: Final = frozenset(
    """
    FINAL ROLLUP CUBE TOTALS ALL ASC DESC FIRST LAST FILL TIES NULL NULLS ROW PRECEDING FOLLOWING
    INTERPOLATE
    """.split()  # noqa: SIM905
)
"""Words after which no operand can follow, like after an operand."""
LEAVING_FROM: Final = frozenset(
    "PREWHERE WHERE GROUP HAVING WINDOW QUALIFY ORDER LIMIT OFFSET UNION EXCEPT INTERSECT".split()  # noqa: SIM905
)
"""Words that end a FROM."""
SIGNS: Final = frozenset("( ) [ ] , . + - * / % = < > ! |".split())  # noqa: SIM905

SYSTEM: Final[Mapping[str, tuple[str, str]]] = {
    "databases": ("name", "name, engine, uuid, comment"),
    "tables": (
        "database",
        "database, name, uuid, engine, is_temporary, metadata_modification_time, partition_key, "
        "sorting_key, primary_key, sampling_key, total_rows, total_bytes, comment",
    ),
    "columns": (
        "database",
        "database, table, name, type, position, default_kind, default_expression, comment, "
        "is_in_partition_key, is_in_sorting_key, is_in_primary_key, is_in_sampling_key, "
        "compression_codec, character_octet_length, numeric_precision, numeric_scale, "
        "datetime_precision",
    ),
}
"""Readable relations of `system`: the column that names a database, and the columns.

The text of a view and the paths of a table are not among them.
"""

FORMATS: Final = frozenset(
    name.lower()
    for name in """
    TabSeparated TabSeparatedRaw TabSeparatedWithNames TabSeparatedWithNamesAndTypes
    TabSeparatedRawWithNames TabSeparatedRawWithNamesAndTypes TSV TSVRaw TSVWithNames
    TSVWithNamesAndTypes TSVRawWithNames TSVRawWithNamesAndTypes CSV CSVWithNames
    CSVWithNamesAndTypes TSKV Values Vertical XML Markdown JSON JSONStrings JSONColumns
    JSONColumnsWithMetadata JSONCompact JSONCompactStrings JSONCompactColumns JSONEachRow JSONLines
    NDJSON JSONStringsEachRow JSONEachRowWithProgress JSONObjectEachRow PrettyJSONEachRow
    JSONCompactEachRow JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes
    JSONCompactStringsEachRow JSONCompactStringsEachRowWithNames
    JSONCompactStringsEachRowWithNamesAndTypes Pretty PrettyNoEscapes PrettyMonoBlock PrettyCompact
    PrettyCompactNoEscapes PrettyCompactMonoBlock PrettySpace PrettySpaceNoEscapes
    PrettySpaceMonoBlock RowBinary RowBinaryWithNames RowBinaryWithNamesAndTypes Native Null Arrow
    ArrowStream Parquet ORC MsgPack BSONEachRow
    """.split()  # noqa: SIM905
)
"""Formats that need no schema: those with one (Protobuf, Cap'n Proto, Template) reach files."""

TYPES: Final = frozenset(
    """
    int8 int16 int32 int64 int128 int256 uint8 uint16 uint32 uint64 uint128 uint256 float32 float64
    decimal decimal32 decimal64 decimal128 decimal256 bool string fixedstring uuid date date32
    datetime datetime64 ipv4 ipv6 enum enum8 enum16 array tuple map nullable lowcardinality
    int integer bigint smallint tinyint float double real numeric boolean text varchar char
    timestamp
    """.split()  # noqa: SIM905
)
"""Types that a statement may name, in lower case. Not those of aggregate states, whose bytes the
engine believes; not `Identifier`, because names are checked as they are written; not JSON, Dynamic
and Variant, whose texts name types again."""
TYPE_TEXTS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("cast", "accuratecast", "accuratecastornull", "accuratecastordefault"), 1),
    "reinterpret": 1,
    "defaultvalueoftypename": 0,
    **dict.fromkeys(("jsonextract", "jsonextractkeysandvalues"), -1),
}
"""The argument, counted from 0, whose text the engine reads as a type; -1 is the last."""

ZONES: Final = frozenset(
    """
    UTC Etc/UTC GMT Asia/Shanghai Asia/Urumqi Asia/Hong_Kong Asia/Tokyo Asia/Singapore Europe/London
    America/New_York
    """.split()  # noqa: SIM905
)
"""Time zones that a statement may name, beside the city's own. The engine keeps 5 MB for each that
was ever named, and there are six hundred."""
_ZONE_FROM: Final = {
    0: "now",
    1: """
    toString toDate toDate32 toDateTime toDateTime32 toDateTimeOrDefault toDateTimeOrNull
    toDateTimeOrZero toTimeZone toUTCTimestamp fromUTCTimestamp toUnixTimestamp now64 timeSlot
    timeZoneOffset YYYYMMDDhhmmssToDateTime toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss toDaysSinceYearZero
    fromUnixTimestamp64Second fromUnixTimestamp64Milli fromUnixTimestamp64Micro
    fromUnixTimestamp64Nano parseDateTimeBestEffort parseDateTimeBestEffortOrNull
    parseDateTimeBestEffortOrZero parseDateTimeBestEffortUS parseDateTime32BestEffort
    parseDateTime32BestEffortOrNull parseDateTime32BestEffortOrZero
    toYear toQuarter toMonth toDayOfMonth toDayOfYear toHour toMinute toSecond toMillisecond
    toISOYear toISOWeek toMonday toLastDayOfMonth date year quarter month day dayOfMonth dayOfYear
    hour minute second last_day
    toStartOfYear toStartOfISOYear toStartOfQuarter toStartOfMonth toStartOfDay toStartOfHour
    toStartOfMinute toStartOfSecond toStartOfMillisecond toStartOfMicrosecond toStartOfNanosecond
    toStartOfFiveMinutes toStartOfTenMinutes toStartOfFifteenMinutes
    toRelativeYearNum toRelativeQuarterNum toRelativeMonthNum toRelativeWeekNum toRelativeDayNum
    toRelativeHourNum toRelativeMinuteNum toRelativeSecondNum
    """,
    2: """
    toDateTime64 toDateTime64OrDefault toDateTime64OrNull toDateTime64OrZero formatDateTime
    formatDateTimeInJodaSyntax date_format fromUnixTimestamp from_unixtime parseDateTime
    parseDateTimeOrNull parseDateTimeOrZero parseDateTime64BestEffort
    parseDateTime64BestEffortOrNull parseDateTime64BestEffortOrZero dateName dateTrunc
    date_trunc toStartOfInterval toStartOfWeek toLastDayOfWeek toDayOfWeek dayOfWeek toWeek week
    toYearWeek yearweek
    """,
    3: "age dateDiff date_diff",
    6: "makeDateTime",
    8: "makeDateTime64",
}


def _zone_texts() -> Iterator[tuple[str, int]]:
    for at, names in _ZONE_FROM.items():
        yield from ((name.lower(), at) for name in names.split())
    for unit in [*_UNITS, *_FRACTIONS]:
        yield from ((f"{what}{unit}s".lower(), 2) for what in ("add", "subtract"))


ZONE_TEXTS: Final[Mapping[str, int]] = dict(_zone_texts())
"""The first argument, counted from 0, that the engine may take for a time zone."""
HIGHER: Final = frozenset(
    """
    arrayAll arrayAvg arrayCompact arrayCount arrayCumSum arrayCumSumNonNegative arrayDifference
    arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull arrayFold
    arrayLast arrayLastIndex arrayLastOrNull arrayMap arrayMax arrayMin arrayPartialReverseSort
    arrayPartialSort arrayProduct arrayReverseFill arrayReverseSort arrayReverseSplit arraySort
    arraySplit arraySum mapAll mapApply mapExists mapFilter mapReverseSort mapSort
    """.lower().split()
)
"""Functions whose first argument may be another by its name."""

_SWITCH: Final = "0|1|true|false"
_SECONDS: Final = range(1, 3601)
SETTINGS: Final[Mapping[str, range | str]] = {
    "limit": range(10**9),
    "offset": range(10**9),
    "max_block_size": range(1, 1_000_001),
    "max_threads": range(1, 17),
    "log_comment": r"[^\0]{0,4000}",
    "date_time_output_format": "simple|iso|unix_timestamp",
    "enable_http_compression": _SWITCH,
    "http_zlib_compression_level": range(1, 10),
    "send_progress_in_http_headers": _SWITCH,
    "http_headers_progress_interval_ms": range(10, 3_600_001),
    "cancel_http_readonly_queries_on_client_close": _SWITCH,
    "http_connection_timeout": _SECONDS,
    "http_send_timeout": _SECONDS,
    "http_receive_timeout": _SECONDS,
    "connect_timeout": _SECONDS,
    "send_timeout": _SECONDS,
    "receive_timeout": _SECONDS,
    "output_format_write_statistics": _SWITCH,
    "output_format_decimal_trailing_zeros": _SWITCH,
    "output_format_json_quote_64bit_integers": _SWITCH,
    "output_format_json_quote_64bit_floats": _SWITCH,
    "output_format_json_quote_decimals": _SWITCH,
    "output_format_json_quote_denormals": _SWITCH,
    "output_format_json_escape_forward_slashes": _SWITCH,
    "output_format_json_named_tuples_as_objects": _SWITCH,
    "output_format_json_array_of_rows": _SWITCH,
    "output_format_json_validate_utf8": _SWITCH,
    "output_format_csv_crlf_end_of_line": _SWITCH,
    "output_format_tsv_crlf_end_of_line": _SWITCH,
    "output_format_pretty_max_rows": range(1, 100_001),
    "output_format_pretty_color": "0|1|auto",
    "output_format_pretty_grid_charset": "UTF-8|ASCII",
    "output_format_pretty_row_numbers": _SWITCH,
    "output_format_arrow_string_as_string": _SWITCH,
    "output_format_parquet_string_as_string": _SWITCH,
    "output_format_native_encode_types_in_binary_format": _SWITCH,
    "output_format_native_write_json_as_string": _SWITCH,
}
"""Settings that a board's user may change: whole numbers of a range, or texts of a pattern."""
