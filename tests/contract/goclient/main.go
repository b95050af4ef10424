// Command goclient asks a ClickHouse what Grafana's plugin asks, with the plugin's options.
//
// It prints one JSON object a line for each step: {"step": name, "ok": bool, "got": text}.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func main() {
	address := flag.String("address", "", "host:port")
	protocol := flag.String("protocol", "native", "native or http")
	user := flag.String("user", "", "")
	database := flag.String("database", "", "current database")
	table := flag.String("table", "", "database.table to write and read; made and dropped here")
	packing := flag.String("compression", "", "lz4, zstd, gzip, br or none; empty is the plugin's")
	secure := flag.Bool("secure", false, "speak TLS")
	ca := flag.String("ca", "", "file of certificates to trust; empty is the system's")
	flag.Parse()

	kind := clickhouse.Native
	if *protocol == "http" {
		kind = clickhouse.HTTP
	}
	// The options of the plugin: pkg/plugin/driver.go.
	connection, err := clickhouse.Open(&clickhouse.Options{
		Addr:     []string{*address},
		Protocol: kind,
		Auth: clickhouse.Auth{
			Database: *database, Username: *user, Password: os.Getenv("GULOU_TEST_PASSWORD"),
		},
		ClientInfo: clickhouse.ClientInfo{
			Products: []struct{ Name, Version string }{{"grafana", "12.0.0"}, {"clickhouse-datasource", "4.20.0"}},
			Comment:  []string{"grafana_user:tester"},
		},
		Compression:     &clickhouse.Compression{Method: compression(kind, *packing)},
		DialTimeout:     10 * time.Second,
		ReadTimeout:     60 * time.Second,
		ConnMaxLifetime: 5 * time.Minute,
		MaxIdleConns:    25,
		MaxOpenConns:    50,
		Settings:        clickhouse.Settings{"max_execution_time": 65},
		TLS:             trusted(*secure, *ca),
	})
	if err != nil {
		report("open", "", err)
		os.Exit(1)
	}
	background := context.Background()
	report("ping", "", connection.Ping(background))
	if *table != "" {
		write(background, connection, *table)
		kinds(background, connection, *table)
	}
	beside(background, connection, kind)
	read(background, connection)
	report("close", "", connection.Close())
}

func trusted(secure bool, ca string) *tls.Config {
	if !secure {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		certificates, err := os.ReadFile(ca)
		if err != nil {
			report("certificates", "", err)
			os.Exit(1)
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(certificates)
	}
	return config
}

func compression(protocol clickhouse.Protocol, packing string) clickhouse.CompressionMethod {
	methods := map[string]clickhouse.CompressionMethod{
		"lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD, "none": clickhouse.CompressionNone,
		"gzip": clickhouse.CompressionGZIP, "br": clickhouse.CompressionBrotli,
	}
	if method, named := methods[packing]; named {
		return method
	}
	if protocol == clickhouse.HTTP {
		return clickhouse.CompressionGZIP
	}
	return clickhouse.CompressionLZ4
}

func read(background context.Context, connection driver.Conn) {
	var version string
	report("version", "", connection.QueryRow(background, "SELECT version()").Scan(&version))

	var text string
	var at time.Time
	err := connection.QueryRow(
		background, "SELECT {text:String}, {at:DateTime64(3)}",
		clickhouse.Named("text", "鼓楼 'quoted'"), clickhouse.Named("at", "2026-03-01 08:00:00.000"),
	).Scan(&text, &at)
	report("parameters", fmt.Sprint(text, " ", at.Format("2006-01-02 15:04:05")), err)

	rows, err := connection.Query(background, "SELECT number FROM numbers(90000)")
	total, count := uint64(0), 0
	if err == nil {
		for rows.Next() {
			var number uint64
			if err = rows.Scan(&number); err != nil {
				break
			}
			total, count = total+number, count+1
		}
		err = errors.Join(err, rows.Err(), rows.Close())
	}
	report("many rows", fmt.Sprint(count, " ", total), err)

	rows, err = connection.Query(background, "SELECT 1 AS one, 'x' AS text WHERE 0")
	columns := ""
	if err == nil {
		columns = fmt.Sprint(rows.Columns(), " ", rows.Next())
		err = errors.Join(rows.Err(), rows.Close())
	}
	report("no rows", columns, err)

	err = connection.Exec(background, "SELECT * FROM a_table_that_is_not_there")
	report("unknown table", code(err), nil)

	short, cancel := context.WithTimeout(background, 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err = connection.Query(short, "SELECT sum(cityHash64(number)) FROM numbers(100000000000)")
	report("cancelled", fmt.Sprint(err != nil, " ", time.Since(begun) < 20*time.Second), nil)
	report("ping after cancel", "", connection.Ping(background))
}

func write(background context.Context, connection driver.Conn, table string) {
	err := connection.Exec(background, "CREATE TABLE "+table+` (
		id UInt64, name String, code FixedString(4), at DateTime64(3, 'Asia/Shanghai'), day Date,
		price Decimal(18, 4), kind Enum8('a' = 1, 'b' = 2), low LowCardinality(String),
		maybe Nullable(Int32), list Array(String), pairs Map(String, UInt32)
	) ENGINE = MergeTree ORDER BY id`)
	report("create", "", err)
	batch, err := connection.PrepareBatch(background, "INSERT INTO "+table)
	day := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for id := uint64(0); err == nil && id < 30000; id++ {
		err = batch.Append(id, fmt.Sprint("name ", id), "abcd", day, day, "1.5", "b", "low", nil,
			[]string{"x", "y"}, map[string]uint32{"k": uint32(id)})
	}
	if err == nil {
		err = batch.Send()
	}
	report("insert", "", err)
	var count, total uint64
	var name, list string
	err = connection.QueryRow(background,
		"SELECT count(), sum(pairs['k']), max(name), toString(any(list)) FROM "+table,
	).Scan(&count, &total, &name, &list)
	report("select", fmt.Sprint(count, " ", total, " ", name, " ", list), err)
	report("drop", "", connection.Exec(background, "DROP TABLE "+table))
}

// kinds writes and reads columns whose values say how they are laid out.
func kinds(background context.Context, connection driver.Conn, table string) {
	err := connection.Exec(background, "CREATE TABLE "+table+` (
		id UInt64, doc JSON, any Dynamic, one Variant(Array(Int64), String)
	) ENGINE = MergeTree ORDER BY id`)
	report("create kinds", "", err)
	batch, err := connection.PrepareBatch(background, "INSERT INTO "+table)
	for id := uint64(0); err == nil && id < 3; id++ {
		doc := clickhouse.NewJSON()
		doc.SetValueAtPath("a.b", int64(id))
		err = batch.Append(id, doc, clickhouse.NewDynamicWithType(int64(7), "Int64"),
			clickhouse.NewVariantWithType("x", "String"))
	}
	if err == nil {
		err = batch.Send()
	}
	report("insert kinds", "", err)
	flat := clickhouse.Context(background, clickhouse.WithSettings(clickhouse.Settings{
		"output_format_native_use_flattened_dynamic_and_json_serialization": 1,
	}))
	var doc clickhouse.JSON
	var any clickhouse.Dynamic
	var one clickhouse.Variant
	var last uint8
	err = connection.QueryRow(
		flat, "SELECT doc, any, one, 9::UInt8 FROM "+table+" WHERE id = 2",
	).Scan(&doc, &any, &one, &last)
	deep, _ := clickhouse.ExtractJSONPathAs[int64](&doc, "a.b")
	report("select kinds", fmt.Sprint(deep, " ", any.Any(), " ", one.Any(), " ", last), err)
	report("drop kinds", "", connection.Exec(background, "DROP TABLE "+table))
}

// beside asks for what travels beside the rows: a table of the client's, and totals.
func beside(background context.Context, connection driver.Conn, protocol clickhouse.Protocol) {
	brought, err := ext.NewTable("brought", ext.Column("n", "UInt64"), ext.Column("s", "String"))
	for n := uint64(0); err == nil && n < 10; n++ {
		err = brought.Append(n, fmt.Sprint("s", n))
	}
	var total uint64
	if err == nil {
		with := clickhouse.Context(background, clickhouse.WithExternalTable(brought))
		err = connection.QueryRow(with, "SELECT sum(n) FROM brought").Scan(&total)
	}
	report("brought", fmt.Sprint(total), err)
	if protocol == clickhouse.HTTP {
		return // the driver reads totals from packets of the native protocol only
	}
	var n uint8
	var count uint64
	rows, err := connection.Query(background,
		"SELECT number % 2 AS n, count() FROM numbers(5) GROUP BY n WITH TOTALS")
	if err == nil {
		for rows.Next() {
			err = errors.Join(err, rows.Scan(&n, &count))
		}
		err = errors.Join(err, rows.Err(), rows.Totals(&n, &count), rows.Close())
	}
	report("totals", fmt.Sprint(n, " ", count), err)
}

func code(err error) string {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return fmt.Sprint(exception.Code)
	}
	return fmt.Sprint(err)
}

func report(step string, got string, err error) {
	if err != nil {
		got = err.Error()
	}
	line, _ := json.Marshal(map[string]any{"step": step, "ok": err == nil, "got": got})
	fmt.Println(string(line))
}
