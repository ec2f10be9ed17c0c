// Package image makes container images out of files of this machine: one uncompressed layer, since they travel over
// loopback only.
package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Files says what an image holds: path in the image → file of this machine. An empty file name makes a folder that
// everybody may write to, as /tmp.
type Files map[string]string

// Make makes an image that holds files and starts with entrypoint as user, a number; "" is root.
func Make(files Files, user string, entrypoint ...string) (v1.Image, error) {
	var layer bytes.Buffer

	w := tar.NewWriter(&layer)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := add(w, path, files[path]); err != nil {
			return nil, fmt.Errorf("image: %s: %w", path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}

	image, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer.Bytes(), types.DockerUncompressedLayer))
	if err != nil {
		return nil, err
	}

	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}

	config = config.DeepCopy()
	config.Architecture, config.OS = runtime.GOARCH, "linux"
	config.Config = v1.Config{User: user, Entrypoint: entrypoint, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}

	return mutate.ConfigFile(image, config)
}

func add(w *tar.Writer, path, source string) error {
	name := strings.TrimPrefix(path, "/")
	if source == "" {
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o1777})
	}

	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
		return err
	}

	_, err = w.Write(data)

	return err
}

// AddProgram adds a program of this machine at path, with the shared libraries that it is linked to.
func (f Files) AddProgram(path, program string) error {
	found, err := exec.LookPath(program)
	if err != nil {
		return err
	}

	f[path] = found
	libraries, err := exec.Command("ldd", found).CombinedOutput()
	if err != nil {
		if strings.Contains(string(libraries), "not a dynamic executable") || strings.Contains(string(libraries), "statically linked") {
			return nil
		}
		return fmt.Errorf("ldd %s: %w: %s", found, err, libraries)
	}

	for _, match := range library.FindAllStringSubmatch(string(libraries), -1) {
		f[match[1]] = match[1]
	}

	return nil
}

// A line of ldd's: `	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f…)` or `	/lib64/ld-linux-x86-64.so.2 (0x…)`.
var library = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// AddFolder adds every file of a folder of this machine at the same path.
func (f Files) AddFolder(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return errors.Join(fmt.Errorf("image: %s", folder), err)
		}
		if !entry.IsDir() {
			f[path] = path
		}
		return nil
	})
}
