// What Go sees in a body or a query: README.md.
package main

import (
	"bufio"
	"encoding/json"
	"net/url"
	"os"
	"reflect"
	"strconv"
)

type request struct {
	Kind  string          `json:"kind"`
	Bytes []byte          `json:"bytes"`
	Shape json.RawMessage `json:"shape"`
}

// leaf is a member of a struct whose value is anything, null too; empty where the member is absent.
type leaf []any

func (l *leaf) UnmarshalJSON(text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	*l = leaf{value}
	return nil
}

func (l leaf) MarshalJSON() ([]byte, error) {
	return json.Marshal(l[0])
}

// structs are the types of the shapes that were asked for.
var structs = map[string]reflect.Type{}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		answer, err := json.Marshal(read(asked))
		if err != nil {
			panic(err)
		}
		out.Write(append(answer, '\n'))
		if lines.Buffered() == 0 {
			out.Flush()
		}
	}
}

func read(asked request) map[string]any {
	if asked.Kind != "json" {
		// Handlers that ask for one parameter never see the error.
		values, _ := url.ParseQuery(string(asked.Bytes))
		pairs := [][2]string{}
		for name, each := range values {
			for _, value := range each {
				pairs = append(pairs, [2]string{name, value})
			}
		}
		return map[string]any{"go net/url": map[string]any{"pairs": pairs}}
	}
	seen := map[string]any{"go map": into(new(any), asked.Bytes)}
	if len(asked.Shape) > 0 {
		kept, known := structs[string(asked.Shape)]
		if !known {
			var shape any
			if err := json.Unmarshal(asked.Shape, &shape); err != nil {
				panic(err)
			}
			kept = typed(shape)
			structs[string(asked.Shape)] = kept
		}
		seen["go struct"] = into(reflect.New(kept).Interface(), asked.Bytes)
	}
	return seen
}

func into(value any, text []byte) any {
	if err := json.Unmarshal(text, value); err != nil {
		return "error"
	}
	return map[string]any{"json": value}
}

// typed makes the type of a shape: a struct with a field for each name, a slice, or a leaf.
func typed(shape any) reflect.Type {
	switch shape := shape.(type) {
	case map[string]any:
		fields := []reflect.StructField{}
		for name, each := range shape {
			fields = append(fields, reflect.StructField{
				Name: "F" + strconv.Itoa(len(fields)),
				Type: optional(typed(each)),
				Tag:  reflect.StructTag("json:" + strconv.Quote(name+",omitempty")),
			})
		}
		return reflect.StructOf(fields)
	case []any:
		return reflect.SliceOf(typed(shape[0]))
	default:
		return reflect.TypeOf(leaf{})
	}
}

// optional lets a member be absent: `omitempty` looks at pointers, and at the length of a leaf.
func optional(of reflect.Type) reflect.Type {
	if of == reflect.TypeOf(leaf{}) {
		return of
	}
	return reflect.PtrTo(of)
}
