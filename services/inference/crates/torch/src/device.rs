//! Which device tensors live on, how many threads libtorch uses, and the guard that switches gradients off.
//!
//! The choice is made once at start. The library links libtorch's CPU part only; its CUDA part is opened at run time
//! where it is installed, so one binary serves both kinds of machine.

use std::str::FromStr;

use tch::Device;

use super::ModelError;

/// What configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceSetting {
    /// CUDA where it works, otherwise the CPU.
    #[default]
    Auto,
    Cpu,
    /// The CUDA device of this index; its absence is an error.
    Cuda(usize),
}

impl FromStr for DeviceSetting {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || ModelError::InvalidInput(format!("unknown device {text:?}; use auto, cpu, cuda or cuda:N"));
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => {
                other.strip_prefix("cuda:").and_then(|index| index.parse().ok()).map(Self::Cuda).ok_or_else(unknown)
            }
        }
    }
}

/// Settles the device for this process.
///
/// # Errors
/// [`ModelError::DeviceUnavailable`] when a CUDA device is asked for by name and is not there.
pub fn select(setting: DeviceSetting) -> Result<Device, ModelError> {
    match setting {
        DeviceSetting::Cpu => Ok(Device::Cpu),
        DeviceSetting::Auto if cuda_devices() > 0 => Ok(Device::Cuda(0)),
        DeviceSetting::Auto => Ok(Device::Cpu),
        DeviceSetting::Cuda(index) if index < cuda_devices() => Ok(Device::Cuda(index)),
        DeviceSetting::Cuda(index) => Err(ModelError::DeviceUnavailable(format!("cuda:{index}"))),
    }
}

/// Sets how many threads one operator may use on the CPU. Every OS thread that later calls libtorch takes this over.
pub fn set_threads(threads: usize) {
    tch::set_num_threads(i32::try_from(threads.clamp(1, 256)).unwrap_or(1));
}

/// Runs `work` without recording gradients; every forward pass goes through here.
pub fn without_gradients<T>(work: impl FnOnce() -> T) -> T {
    tch::no_grad(work)
}

fn cuda_devices() -> usize {
    if !open_cuda_library() || !tch::Cuda::is_available() {
        return 0;
    }
    usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
}

/// Opens libtorch's CUDA part so that its operators register themselves. False where it is not installed.
#[cfg(target_os = "linux")]
fn open_cuda_library() -> bool {
    use std::sync::OnceLock;

    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

    static OPENED: OnceLock<bool> = OnceLock::new();
    *OPENED.get_or_init(|| {
        // SAFETY: loading runs the library's initialisers, which is what is wanted: they register the CUDA operators
        // with the libtorch that is already linked. It happens once, before any tensor exists, and is never undone.
        #[allow(unsafe_code)]
        let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
        library.map(Library::into_raw).is_ok()
    })
}

#[cfg(not(target_os = "linux"))]
fn open_cuda_library() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_parse_and_nonsense_is_refused() {
        assert_eq!("auto".parse::<DeviceSetting>().ok(), Some(DeviceSetting::Auto));
        assert_eq!("cuda:3".parse::<DeviceSetting>().ok(), Some(DeviceSetting::Cuda(3)));
        assert!("cuda:x".parse::<DeviceSetting>().is_err());
        assert!("tpu".parse::<DeviceSetting>().is_err());
    }

    #[test]
    fn cpu_needs_no_library_and_a_missing_gpu_is_named() {
        assert!(matches!(select(DeviceSetting::Cpu), Ok(Device::Cpu)));
        assert!(matches!(
            select(DeviceSetting::Cuda(4096)),
            Err(ModelError::DeviceUnavailable(name)) if name == "cuda:4096"
        ));
    }
}
