package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
)

// maxConfigMap is how many bytes of data the API server takes in a ConfigMap.
const maxConfigMap = 1_048_576

func newConfigMap() *cobra.Command {
	var name, key string
	var namespaces []string
	c := &cobra.Command{
		Use:   "configmap MODULE",
		Short: "Make the ConfigMap that holds the filter's module, for delivery EnvoyFilter",
		Long: `Make the ConfigMap that holds the filter's module, for delivery EnvoyFilter: one in each
namespace that has workloads. helm status of the release prints the two annotations
that mount it.`,
		Example: `  wasm-rewrite configmap build/plugin.wasm -n shop,blog | kubectl apply --server-side -f -`,
		Args:    arguments(1, 1, "MODULE"),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := read.File(args[0], c.InOrStdin())
			if err != nil {
				return fmt.Errorf("%s: cannot be read; `make build` makes build/plugin.wasm", args[0])
			}
			if !bytes.HasPrefix(data, []byte("\x00asm")) {
				return fmt.Errorf("%s: is not a WebAssembly module", args[0])
			}
			if len(data) > maxConfigMap {
				return fmt.Errorf("%s: has %d bytes, a ConfigMap holds %d: use delivery WasmPlugin, whose image has no such limit, or the "+
					"released module, which fits", args[0], len(data), maxConfigMap)
			}

			sum := sha256.Sum256(data)
			for i, namespace := range namespaces {
				// kubectl's server-side apply keeps no copy in an annotation, which
				// has room for 262,144 bytes only.
				text, err := yaml.Marshal(map[string]any{
					"apiVersion": "v1",
					"kind":       "ConfigMap",
					"metadata": map[string]any{
						"name":        name,
						"namespace":   namespace,
						"labels":      map[string]string{"app.kubernetes.io/name": "wasm-rewrite", "app.kubernetes.io/component": "module"},
						"annotations": map[string]string{"wasm-rewrite/sha256": hex.EncodeToString(sum[:])},
					},
					"binaryData": map[string]string{key: base64.StdEncoding.EncodeToString(data)},
				})
				if err != nil {
					return err
				}
				if i > 0 {
					fmt.Fprintln(c.OutOrStdout(), "---")
				}
				if _, err := c.OutOrStdout().Write(text); err != nil {
					return err
				}
			}

			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "wasm-rewrite-module", "name of the ConfigMap: module.configMap of the chart, <release>-module by default")
	c.Flags().StringVar(&key, "key", "plugin.wasm", "key of the module: module.key of the chart")
	c.Flags().StringSliceVarP(&namespaces, "namespace", "n", []string{"default"}, "namespaces to make it for")

	return c
}
